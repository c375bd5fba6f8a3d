import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config.ts'
import { freePort } from '../helpers/ports.ts'
import { ended, ROOT, startProgram, startServe, type Ended, type Served } from '../helpers/process.ts'
import { startStandIn, type RunningStandIn } from '../helpers/stand-in.ts'

const MODEL = 'gemma3:270m'

function run(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return ended(startProgram(join(ROOT, 'scripts', script), args, { env }))
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-scripts-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function startProxy(env: Record<string, string> = {}): Promise<{ standIn: RunningStandIn; served: Served }> {
  const standIn = await startStandIn({ speed: Infinity })
  return { standIn, served: await startServe(standIn.port, { env }) }
}

interface Fake {
  readonly url: string
  /** Paths and bodies. */
  readonly asked: (readonly [path: string, body: string])[]
}

/** An Ollama that answers each path with this text, or a refusal of this status; '' is never answered. */
async function serveFake(
  answers: Readonly<Record<string, string | readonly [status: number, why: string]>>,
): Promise<Fake> {
  const asked: (readonly [string, string])[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      const path = request.url ?? ''
      asked.push([path, body])
      const answer = answers[path] ?? [404, 'no such path']
      if (typeof answer !== 'string') response.writeHead(answer[0]).end(JSON.stringify({ error: answer[1] }))
      else if (answer !== '') response.end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return { url: `http://127.0.0.1:${address.port}`, asked }
}

const startFake = async (answers: Parameters<typeof serveFake>[0]) => (await serveFake(answers)).url

describe.each(['setup-model', 'warmup', 'stress-test'])('scripts/%s', (script) => {
  test('explains itself, and refuses a call that it does not understand', async () => {
    const help = await run(script, ['--help'])
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(help.stdout).toContain('--token-file FILE')
    for (const args of [['--bad'], [], ['--url', 'ftp://x', MODEL]]) {
      const told = await run(script, args)
      expect(told.code, args.join(' ')).toBe(2)
      expect(told.stderr).toContain(`see ${script} --help`)
    }
  })

  test('says who does not answer', async () => {
    const args = ['--url', `http://127.0.0.1:${await freePort()}`, MODEL]
    const waiting = script === 'stress-test' ? ['--requests', '2'] : ['--wait', '10ms']
    const told = await run(script, [...args, ...waiting])
    expect(told.code).toBe(1)
    expect(told.stdout + told.stderr).toContain('ECONNREFUSED')
  })
})

describe('setup-model', () => {
  test('waits, pulls through the proxy and shows how far it is', async () => {
    const { served, standIn } = await startProxy()
    const told = await run('setup-model', [MODEL], { OLLAMA_BASE_URL: served.proxyUrl })
    expect(told.code).toBe(0)
    expect(told.stdout).toMatch(/^Ollama 0\.33/)
    expect(told.stdout).toMatch(/\[#{30}\] 100 % /)
    expect(told.stdout).toContain(`${MODEL} is there`)
    expect(standIn.seen.map(({ request }) => request.target)).toEqual(['/api/version', '/api/pull'])
    const [, receipt] = await served.receipts(2)
    expect(receipt).toMatchObject({ endpoint: '/api/pull', outcome: 'success' })
  })

  test('sends its token, and fails where the policy forbids to pull', async () => {
    const folder = makeFolder()
    const hash = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' // of "test"
    writeFileSync(join(folder, 'tokens'), `ci:${hash}\n`)
    writeFileSync(join(folder, 'token'), 'test\n')
    const { served } = await startProxy({
      OLLASCOPE_TOKENS_FILE: join(folder, 'tokens'),
      OLLASCOPE_POLICY: 'inference-only',
    })
    const env = { OLLAMA_BASE_URL: served.proxyUrl }
    const stranger = await run('setup-model', [MODEL], env)
    expect(stranger).toMatchObject({ code: 1 })
    expect(stranger.stderr).toContain('401')
    const known = await run('setup-model', ['--token-file', join(folder, 'token'), MODEL], env)
    expect(known.code).toBe(1)
    expect(known.stderr).toMatch(/could not be pulled: 403 .*OLLASCOPE_POLICY/)
  })

  test('a model that is not there, a pull that breaks off, and no room are failures', async () => {
    const answers = {
      '/api/version': '{"version":"1"}',
      '/api/pull': '{"status":"pulling manifest"}\n{"error":"no such"}\n',
    }
    const missing = await run('setup-model', ['--url', await startFake(answers), 'none'])
    expect(missing.stderr).toContain('none could not be pulled: no such')
    expect(missing.code).toBe(1)

    const cut = { ...answers, '/api/pull': '{"status":"pulling manifest"}\n' }
    const half = await run('setup-model', ['--url', await startFake(cut), 'none'])
    expect(half).toMatchObject({ code: 1 })
    expect(half.stderr).toContain('ended at "pulling manifest"')

    const huge = `{"status":"pulling","digest":"sha256:1","total":${10 ** 16},"completed":1}\n{"status":"success"}\n`
    const url = await startFake({ ...answers, '/api/pull': huge })
    const full = await run('setup-model', ['--url', url, 'none'])
    expect(full.stderr).toMatch(/needs 10000002\.0 GB of disk/)
    expect(full.code).toBe(1)
    for (const flag of ['--force', '--remote']) {
      expect((await run('setup-model', ['--url', url, flag, 'none'])).code, flag).toBe(0)
    }
  })
})

describe('warmup', () => {
  const loaded = (vram: number) => `{"models":[{"name":"a:latest","size":100,"size_vram":${vram}}]}`
  const answers = { '/api/version': '{"version":"1"}', '/api/generate': '{"done":true}' }

  test('loads through the proxy, for ever, and fails on the CPU unless that is meant', async () => {
    const { served, standIn } = await startProxy()
    const env = { OLLAMA_BASE_URL: served.proxyUrl, OLLAMA_MODEL: MODEL }
    const told = await run('warmup', [], env)
    expect(told.stdout).toContain(`${MODEL}: on the CPU`)
    expect(told.code).toBe(1)
    const asked = standIn.seen.find(({ request }) => request.target === '/api/generate')
    expect(JSON.parse(asked?.request.body.toString() ?? '')).toEqual({ model: MODEL, keep_alive: -1, stream: false })
    expect((await run('warmup', ['--cpu'], env)).code).toBe(0)
  })

  test.each([
    ['all on the GPU', loaded(100), 0, '100 % on the GPU'],
    ['most on the GPU', loaded(99), 1, '99 % on the GPU, the rest on the CPU'],
    ['not loaded any more', '{"models":[]}', 1, 'not loaded any more'],
  ])('%s', async (_title, ps, code, text) => {
    const url = await startFake({ ...answers, '/api/ps': ps })
    const told = await run('warmup', ['--url', url, 'a'])
    expect(told.stdout).toContain(text)
    expect(told.code).toBe(code)
  })

  test('loads one that makes embeddings alone by an empty input', async () => {
    const fake = await serveFake({
      ...answers,
      '/api/generate': [400, '"a" does not support generate'],
      '/api/embed': '{"embeddings":[]}',
      '/api/ps': loaded(0),
    })
    const told = await run('warmup', ['--url', fake.url, 'a', '--cpu', '--keep-alive', '30m'])
    expect(told.code).toBe(0)
    const [, body = ''] = fake.asked.find(([path]) => path === '/api/embed') ?? []
    expect(JSON.parse(body)).toEqual({ model: 'a', keep_alive: '30m', input: '' })
    const refused = await run('warmup', ['--url', await startFake({ ...answers, '/api/generate': [404, 'none'] }), 'a'])
    expect(refused).toMatchObject({ code: 1, stderr: 'warmup: 404 none\n' })
  })
})

describe('stress-test', () => {
  test('measures every combination through the proxy, and reports both ways', async () => {
    const folder = makeFolder()
    const { served } = await startProxy()
    const [json, markdown] = [join(folder, 'report.json'), join(folder, 'report.md')]
    const told = await run(
      'stress-test',
      [
        ...['--requests', '4', '--concurrency', '1,2', '--prompt', '8,32', '--output', '24'],
        ...['--tier', 'batch', '--region', 'eu', '--json', json, '--markdown', markdown, MODEL],
      ],
      { OLLAMA_BASE_URL: served.proxyUrl },
    )
    expect(told).toMatchObject({ code: 0, stdout: '' })
    expect(told.stderr).toContain('16 of 16 requests')
    const report = JSON.parse(readFileSync(json, 'utf8')) as {
      labels: object
      problems: string[]
      total: { requests: number; ok: number; firstToken: { p50: number }; request: { p99: number } }
      cells: { cell: object; ok: number }[]
    }
    expect(report).toMatchObject({ labels: { tier: 'batch', region: 'eu' }, problems: [], url: served.proxyUrl })
    expect(report.total).toMatchObject({ requests: 16, ok: 16 })
    expect(report.total.firstToken.p50).toBeGreaterThan(0)
    expect(report.total.request.p99).toBeGreaterThanOrEqual(report.total.firstToken.p50)
    expect(report.cells.map(({ cell, ok }) => ({ ...cell, ok }))).toEqual(
      [8, 32].flatMap((promptTokens) =>
        [1, 2].map((concurrency) => ({ model: MODEL, promptTokens, outputTokens: 24, concurrency, ok: 4 })),
      ),
    )
    // The proxy counted the same.
    const samples = await served.samples()
    expect(samples.sum('ollama_inference_requests_total')).toBe(16)

    // What it proposes as targets is taken as it is.
    const text = readFileSync(markdown, 'utf8')
    const [, snippet = ''] = /```yaml\n(.*?)```/s.exec(text) ?? []
    expect(Object.keys((parse(snippet) as { tiers: object }).tiers)).toEqual(['batch'])
    expect(() => loadConfig({ OLLASCOPE_CONFIG: 'x' }, () => snippet)).not.toThrow()
  })

  test('fails above 2 % of timeouts', async () => {
    const url = await startFake({ '/api/generate': '' })
    const told = await run('stress-test', ['--url', url, '--requests', '3', '--timeout', '50ms', 'a'])
    expect(told.code).toBe(1)
    expect(told.stdout).toContain('3 timeouts, 0 errors')
    expect(told.stderr).toContain('100.0 % timed out')
  })

  test.each([
    [504, '2 timeouts, 0 errors'],
    [503, '0 timeouts, 2 errors'],
  ])('a %i is what it is', async (status, text) => {
    const url = await startFake({ '/api/generate': [status, 'refused'] })
    const told = await run('stress-test', ['--url', url, '--requests', '2', 'a'])
    expect(told.stdout).toContain(text)
    expect(told.code).toBe(1)
  })

  test('an answer without its end is no good one', async () => {
    const url = await startFake({ '/api/generate': '{"response":"x","done":false}\n' })
    const told = await run('stress-test', ['--url', url, '--requests', '2', 'a'])
    expect(told.stdout).toContain('the answer has no end')
    expect(told.code).toBe(1)
  })
})
