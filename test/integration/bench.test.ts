import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { isFields, type Fields } from '../helpers/json.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { runCommand } from './doctor-command.ts'
import { folderOfTest, MODEL, NOWHERE, playOllama } from './doctor-context.ts'
import { holding, matching, anyNumber } from './doctor-matchers.ts'

async function benchJson(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Fields> {
  const { code, stdout } = await runCommand(['bench', '--json', ...args], env)
  const json: unknown = JSON.parse(stdout)
  if (!isFields(json)) throw new Error('no report')
  return { code, ...json }
}

describe('bench', () => {
  it('asks the proxy, so many times, and tells what came', async () => {
    const standIn = await startStandIn({ speed: 0 })
    const app = await startApp(standIn.port)
    onTestFinished(app.close)
    const env = {
      OLLASCOPE_UPSTREAM: standIn.url,
      OLLASCOPE_LISTEN: `127.0.0.1:${app.proxyPort}`,
      OLLAMA_MODEL: 'gemma3:270m',
    }
    const report = await benchJson(['--requests', '5', '--concurrency', '2'], env)
    expect(report).toMatchObject({
      code: 0,
      url: app.proxyUrl,
      model: 'gemma3:270m',
      requests: 5,
      concurrency: 2,
      succeeded: 5,
      errors: {},
      processor: 'cpu',
      gpu_ratio: 0,
      speed: 'cpu',
    })
    const { tokens_per_second, ttft_seconds, output_tokens } = report
    expect(tokens_per_second).toBeGreaterThan(1)
    expect(output_tokens).toBeGreaterThan(5)
    expect(ttft_seconds).toEqual({ p50: anyNumber(), p95: anyNumber() })
    const receipts = await app.receipts(5)
    expect(
      receipts.filter(
        ({ endpoint, outcome }) => (endpoint === '/api/generate' && outcome === 'stop') || outcome === 'length',
      ),
    ).toHaveLength(5)
  })

  it.each([
    [50, 1, 'healthy'],
    [25, 1, 'under_used'],
    [5, 1, 'no_gpu'],
    [50, 0, 'cpu'],
  ])('%d tokens/s with a GPU share of %d: %s', async (rate, gpuShare, speed) => {
    const url = await playOllama({ rate, gpuShare })
    expect(await benchJson(['--url', url, '--requests', '2', '--platform', 'nvidia'])).toMatchObject({
      code: 0,
      model: MODEL,
      tokens_per_second: rate,
      gpu_ratio: gpuShare,
      load_seconds: 0.001,
      speed,
    })
  })

  it('for people', async () => {
    const url = await playOllama()
    const { code, stdout, stderr } = await runCommand([
      'bench',
      '--url',
      url,
      '--requests',
      '2',
      '--platform',
      'nvidia',
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^model +big:7b$/m)
    expect(stdout).toMatch(/^requests +2 of 2 answered, 1 at a time$/m)
    expect(stdout).toMatch(/^tokens\/s +50$/m)
    expect(stdout).toMatch(/^first token +p50 .*, p95 /m)
    expect(stdout).toMatch(/^runs on +gpu, 100% GPU$/m)
    expect(stdout).toMatch(/^verdict +50 tokens\/s, a GPU's speed/m)
  })

  it('sends what the options say', async () => {
    const standIn = await startStandIn({ speed: 0 })
    await benchJson([
      '--url',
      standIn.url,
      '--model',
      'gemma3:270m',
      '--requests',
      '2',
      '--prompt-tokens',
      '40',
      '--max-tokens',
      '7',
    ])
    const bodies = standIn.seen
      .filter(({ request }) => request.target === '/api/generate')
      .map(
        ({ request }) => JSON.parse(request.body.toString()) as { prompt: string; options: unknown; stream: boolean },
      )
    expect(bodies).toHaveLength(2)
    expect(bodies[0]).toMatchObject({ stream: true, options: { num_predict: 7 } })
    expect(bodies[0]?.prompt.split(' ')).toHaveLength(38)
    expect(bodies[0]?.prompt).not.toBe(bodies[1]?.prompt)
  })

  it('sends as many at a time as it shall', async () => {
    const waiting: ServerResponse[] = []
    // None is answered before three have come.
    const generate = (_: unknown, response: ServerResponse) => {
      waiting.push(response)
      if (waiting.length < 3) return
      for (const one of waiting.splice(0)) one.end('{"response":"a","done":true,"eval_count":1}\n')
    }
    const url = await playOllama({ generate })
    const report = await benchJson(['--url', url, '--requests', '6', '--concurrency', '3'])
    expect(report).toMatchObject({ code: 0, succeeded: 6, output_tokens: 6, tokens_per_second: null, speed: null })
  })

  it('bears a token where the proxy wants one, and says why it was refused', async () => {
    const folder = folderOfTest()
    writeFileSync(join(folder, 'tokens'), `ci:${createHash('sha256').update('let-me-in').digest('hex')}\n`)
    writeFileSync(join(folder, 'token'), 'let-me-in\n')
    const standIn = await startStandIn({ speed: 0 })
    const app = await startApp(standIn.port, { OLLASCOPE_TOKENS_FILE: join(folder, 'tokens') })
    onTestFinished(app.close)
    const args = ['--url', app.proxyUrl, '--model', 'gemma3:270m', '--requests', '1']
    expect(await benchJson([...args, '--token-file', join(folder, 'token')])).toMatchObject({
      code: 0,
      processor: 'cpu',
    })
    expect(Object.keys((await benchJson(args)).errors as Fields)).toEqual([matching(/^answered 401: ollascope: /)])
  })

  it.each([
    ['nobody listens', [], NOWHERE, /nobody listens/],
    ['there is no such model', ['--model', 'nope'], undefined, /answered 404: model 'nope' not found/],
  ])('where %s: exit 1', async (_what, args, at, error) => {
    const url = at ?? (await startStandIn()).url
    const { code, stdout, stderr } = await runCommand(['bench', '--url', url, '--requests', '2', ...args], {
      OLLAMA_MODEL: 'a',
    })
    expect(code).toBe(1)
    expect(stderr).toContain('no request succeeded')
    expect(stdout).toMatch(new RegExp(`^error +2 x .*${error.source}`, 'm'))
  })

  it('without a model: exit 2', async () => {
    const url = await playOllama({ loaded: false })
    expect(await runCommand(['bench', '--url', url])).toMatchObject({
      code: 2,
      stderr: holding('OLLAMA_MODEL'),
    })
  })
})
