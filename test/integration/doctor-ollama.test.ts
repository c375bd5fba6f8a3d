import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { modelsOnGpu, firstAnswer, speed } from '../../src/doctor/checks/models.ts'
import { ollamaLog } from '../../src/doctor/checks/log.ts'
import { metal } from '../../src/doctor/checks/gpu.ts'
import { dockerMemory, ram, vram } from '../../src/doctor/checks/memory.ts'
import { proxy, upstream } from '../../src/doctor/checks/ollama.ts'
import { startApp } from '../helpers/app.ts'
import { configFile } from '../helpers/config-file.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { folderOfTest, MODEL, NOWHERE, play, playOllama, runCheck, sendJson, silence } from './doctor-context.ts'
import { holding, matching } from './doctor-matchers.ts'

const MAC = { machine: { platform: 'darwin', arch: 'arm64' } } as const
const GPU = { OLLASCOPE_GPU_EXPECTED: 'true' }

describe('upstream', () => {
  it('is ok with its models', async () => {
    const url = await playOllama()
    expect(await runCheck(upstream, { OLLASCOPE_UPSTREAM: url })).toEqual({ status: 'ok', detail: `${url} has big:7b` })
  })
  it.each([
    ['nobody listens', () => Promise.resolve(NOWHERE), /connection refused/, /ollama serve/],
    ['another answers', () => play({ '/api/tags': { hello: 1 } }), /is no Ollama/, /OLLASCOPE_UPSTREAM/],
    ['another refuses', () => play({}), /answered 404/, /curl/],
  ])('fails where %s', async (_what, start, detail, fix) => {
    const result = await runCheck(upstream, { OLLASCOPE_UPSTREAM: await start() })
    expect(result).toEqual({ status: 'fail', detail: matching(detail), fix: matching(fix) })
  })
  it('fails where nobody answers', async () => {
    const env = { OLLASCOPE_UPSTREAM: await play({ '/api/tags': silence }) }
    const result = await runCheck(upstream, env, { timeoutMs: 300 })
    expect(result).toMatchObject({ status: 'fail', detail: holding('in time') })
  })
  it('fails where OLLAMA_MODEL is not there, and says how to get it', async () => {
    const env = { OLLASCOPE_UPSTREAM: await playOllama(), OLLAMA_MODEL: 'llama3.2' }
    expect(await runCheck(upstream, env)).toMatchObject({ status: 'fail', fix: 'ollama pull llama3.2:latest' })
  })
  it('warns without any model', async () => {
    expect(await runCheck(upstream, { OLLASCOPE_UPSTREAM: await playOllama({ installed: [] }) })).toMatchObject({
      status: 'warn',
    })
  })
})

describe('proxy', () => {
  it('is ok where the answer is the same', async () => {
    const standIn = await startStandIn()
    const app = await startApp(standIn.port)
    onTestFinished(app.close)
    const env = { OLLASCOPE_UPSTREAM: standIn.url, OLLASCOPE_LISTEN: `127.0.0.1:${app.proxyPort}` }
    expect(await runCheck(proxy, env)).toMatchObject({ status: 'ok', detail: holding('byte for byte') })
  })
  it.each([
    ['a header', { 'x-powered-by': 'it' }, '{"version":"0.33.0"}', 'x-powered-by'],
    ['another body', {}, '{"version":"0.33.1"}', 'body'],
  ])('fails where it adds %s', async (_what, headers, body, named) => {
    const url = await play({
      '/api/version': (_request: unknown, response: ServerResponse) => {
        response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'x', ...headers })
        response.end(body)
      },
    })
    const env = { OLLASCOPE_UPSTREAM: await playOllama(), OLLASCOPE_LISTEN: new URL(url).host }
    expect(await runCheck(proxy, env)).toEqual({
      status: 'fail',
      detail: `${url}/api/version differs from Ollama's own answer in ${named}`,
      fix: holding('diff'),
    })
  })
  it('fails where nobody listens, another does, or Ollama is gone', async () => {
    const standIn = await startStandIn()
    const app = await startApp(1)
    onTestFinished(app.close)
    const at = async (OLLASCOPE_LISTEN: string) =>
      runCheck(proxy, { OLLASCOPE_LISTEN, OLLASCOPE_UPSTREAM: 'http://127.0.0.1:2' })
    expect(await at('127.0.0.1:3')).toMatchObject({ status: 'fail', detail: holding('refused') })
    expect(await at(`127.0.0.1:${standIn.port}`)).toMatchObject({
      status: 'fail',
      detail: holding('not Ollascope'),
    })
    expect(await at(`127.0.0.1:${app.proxyPort}`)).toMatchObject({
      status: 'fail',
      detail: holding('502'),
    })
  })
  it('is content with one that wants tokens', async () => {
    const standIn = await startStandIn()
    const tokens = join(folderOfTest(), 'tokens')
    writeFileSync(tokens, `ci:${'ab'.repeat(32)}\n`)
    const app = await startApp(standIn.port, { OLLASCOPE_TOKENS_FILE: tokens })
    onTestFinished(app.close)
    const env = { OLLASCOPE_UPSTREAM: standIn.url, OLLASCOPE_LISTEN: `127.0.0.1:${app.proxyPort}` }
    expect(await runCheck(proxy, env)).toMatchObject({ status: 'ok', detail: holding('401') })
  })
})

describe('models-on-gpu', () => {
  const at = async (gpuShare: number, env = {}) =>
    runCheck(modelsOnGpu, { OLLASCOPE_UPSTREAM: await playOllama({ gpuShare }), ...env })

  it('is ok on the GPU, fails on the CPU, warns between, where a GPU is expected', async () => {
    expect(await at(1, GPU)).toEqual({ status: 'ok', detail: 'big:7b 100% GPU' })
    expect(await at(0, GPU)).toMatchObject({
      status: 'fail',
      detail: holding('100% CPU'),
      fix: holding('restart'),
    })
    expect(await at(0.5, GPU)).toMatchObject({ status: 'warn', detail: holding('50%/50% CPU/GPU') })
  })
  it('leaves a model on the CPU that is meant to be there, or where no GPU is', async () => {
    const meant = configFile(`models: {"${MODEL}": {processor: cpu}}\n`)
    expect(await at(0, { ...GPU, ...meant })).toEqual({ status: 'ok', detail: 'big:7b 100% CPU as meant' })
    expect(await at(0)).toMatchObject({ status: 'ok', detail: holding('none is expected') })
  })
  it('fails for the recorded models, which ran on a CPU', async () => {
    const standIn = await startStandIn()
    const result = await runCheck(modelsOnGpu, { OLLASCOPE_UPSTREAM: standIn.url, ...GPU })
    expect(result).toMatchObject({ status: 'fail', detail: holding('gemma3:270m 100% CPU') })
  })
  it('skips without a model in memory, and without Ollama', async () => {
    const OLLASCOPE_UPSTREAM = await playOllama({ loaded: false })
    expect(await runCheck(modelsOnGpu, { OLLASCOPE_UPSTREAM, ...GPU })).toMatchObject({ status: 'skip' })
    expect(await runCheck(modelsOnGpu, GPU)).toMatchObject({ status: 'skip' })
  })
})

describe('metal', () => {
  it.each([
    [1, 'ok'],
    [0, 'fail'],
  ])('on a Mac with a share of %d: %s', async (gpuShare, status) => {
    expect(await runCheck(metal, { OLLASCOPE_UPSTREAM: await playOllama({ gpuShare }) }, MAC)).toMatchObject({ status })
  })
  it('skips elsewhere', async () => {
    expect(await runCheck(metal, { OLLASCOPE_UPSTREAM: await playOllama() })).toMatchObject({ status: 'skip' })
  })
})

describe('first-answer', () => {
  it('is ok, with what loading took', async () => {
    const env = { OLLASCOPE_UPSTREAM: await playOllama(), OLLAMA_MODEL: MODEL }
    expect(await runCheck(firstAnswer, env)).toMatchObject({
      status: 'ok',
      detail: holding('0 s of it loading'),
    })
  })
  it.each([
    [
      'fails',
      (_: unknown, response: ServerResponse) => sendJson(response, 500, { error: 'cudaMalloc failed' }),
      /cudaMalloc/,
    ],
    ['breaks off', (_: unknown, response: ServerResponse) => response.end('{"response":"a"}\n'), /before it was done/],
  ])('fails where the model %s', async (_what, generate, detail) => {
    const env = { OLLASCOPE_UPSTREAM: await playOllama({ generate }), OLLAMA_MODEL: MODEL }
    const result = await runCheck(firstAnswer, env)
    expect(result).toEqual({
      status: 'fail',
      detail: matching(detail),
      fix: holding(`ollama run ${MODEL}`),
    })
  })
  it('fails with what the model says in the middle of its answer', async () => {
    const generate = (_: unknown, response: ServerResponse) =>
      response.end('{"response":"a"}\n{"error":"unexpected EOF"}\n{"done":true}\n')
    const env = { OLLASCOPE_UPSTREAM: await playOllama({ generate }), OLLAMA_MODEL: MODEL }
    expect(await runCheck(firstAnswer, env)).toMatchObject({ status: 'fail', detail: holding('unexpected EOF') })
  })
  it('fails where the model hangs', async () => {
    const env = { OLLASCOPE_UPSTREAM: await playOllama({ generate: silence }), OLLAMA_MODEL: MODEL }
    const result = await runCheck(firstAnswer, env, { answerTimeoutMs: 300 })
    expect(result).toMatchObject({ status: 'fail', detail: holding('no whole answer in time') })
  })
  it('passes over a model for embeddings that is in memory, and skips where there is no other', async () => {
    const generate = (_: unknown, response: ServerResponse) =>
      sendJson(response, 400, { error: '"all-minilm" does not support generate' })
    const OLLASCOPE_UPSTREAM = await playOllama({ generate })
    expect(await runCheck(firstAnswer, { OLLASCOPE_UPSTREAM })).toMatchObject({ status: 'skip' })
    expect(await runCheck(firstAnswer, { OLLASCOPE_UPSTREAM, OLLAMA_MODEL: MODEL })).toMatchObject({ status: 'fail' })
  })
  it('skips without a model to ask', async () => {
    expect(await runCheck(firstAnswer, { OLLASCOPE_UPSTREAM: await playOllama({ loaded: false }) })).toMatchObject({
      status: 'skip',
    })
  })
})

describe('speed', () => {
  const at = async (rate: number, gpuShare = 1, options = {}) =>
    runCheck(speed, { OLLASCOPE_UPSTREAM: await playOllama({ rate, gpuShare }), OLLAMA_MODEL: MODEL, ...GPU }, options)

  it.each([
    [50, 'ok', "a GPU's speed"],
    [25, 'warn', 'under-used'],
    [5, 'fail', 'as if there were no GPU'],
  ])('%d tokens/s: %s', async (rate, status, text) => {
    expect(await at(rate)).toMatchObject({ status, detail: holding(text) })
  })
  it('judges a Mac by what is healthy there', async () => {
    expect(await at(10, 1, MAC)).toMatchObject({ status: 'ok', detail: holding('Metal') })
  })
  it('fails on the CPU however fast, where a GPU is expected', async () => {
    expect(await at(50, 0)).toMatchObject({ status: 'fail', detail: holding('on the CPU') })
  })
  it('skips without an answer, or with one token', async () => {
    const env = { OLLASCOPE_UPSTREAM: await playOllama({ generate: silence }), OLLAMA_MODEL: MODEL }
    expect(await runCheck(speed, env, { answerTimeoutMs: 200 })).toMatchObject({ status: 'skip' })
    const one = { OLLASCOPE_UPSTREAM: await playOllama({ tokens: 1 }), OLLAMA_MODEL: MODEL }
    expect(await runCheck(speed, one)).toMatchObject({
      status: 'skip',
      detail: holding('too few tokens'),
    })
  })
})

describe('memory', () => {
  it('RAM that holds the model is ok, less fails', async () => {
    const procRoot = folderOfTest()
    const at = async (kib: number) => {
      writeFileSync(join(procRoot, 'meminfo'), `MemTotal: 99000000 kB\nMemAvailable: ${kib} kB\n`)
      const env = {
        OLLASCOPE_UPSTREAM: await playOllama({ loaded: false }),
        OLLAMA_MODEL: MODEL,
        OLLASCOPE_PROC_ROOT: procRoot,
      }
      return runCheck(ram, env)
    }
    expect(await at(16_000_000)).toEqual({ status: 'ok', detail: 'big:7b wants 10 GB, RAM has 16 GB' })
    expect(await at(4_000_000)).toMatchObject({
      status: 'fail',
      detail: 'big:7b wants 10 GB, RAM has 4.1 GB',
      fix: holding('smaller'),
    })
  })
  it('skips what it does not know', async () => {
    expect(await runCheck(ram)).toMatchObject({ status: 'skip' })
    expect(
      await runCheck(vram, { OLLASCOPE_UPSTREAM: await playOllama({ loaded: false }), OLLAMA_MODEL: MODEL }),
    ).toMatchObject({ status: 'skip' })
    expect(await runCheck(dockerMemory)).toMatchObject({ status: 'skip' })
  })
})

describe('ollama-log in a file', () => {
  const START = 'time=x level=INFO source=routes.go:1 msg="Listening on 127.0.0.1:11434 (version 0.33.0)"\n'
  const compute = (library: string) =>
    `time=x level=INFO source=types.go:1 msg="inference compute" id=0 library=${library} total="24 GiB"\n`
  const at = (text: string, env: Record<string, string> = GPU) => {
    const path = join(folderOfTest(), 'ollama.log')
    writeFileSync(path, text)
    return runCheck(ollamaLog, env, { ollamaLog: path })
  }
  it('is ok with a GPU and all layers on it', async () => {
    expect(await at(`${START}${compute('CUDA')}load_tensors: offloaded 17/17 layers to GPU\n`)).toEqual({
      status: 'ok',
      detail: 'library=cuda; offloaded 17/17 layers to GPU',
    })
  })
  it('fails where the newest start found none', async () => {
    expect(await at(`${START}${compute('cuda')}${START}${compute('cpu')}`)).toMatchObject({
      status: 'fail',
      detail: holding('found no GPU'),
    })
  })
  it('fails without layers on the GPU, warns with some', async () => {
    expect(await at(`${START}${compute('cuda')}offloaded 0/17 layers to GPU\n`)).toMatchObject({ status: 'fail' })
    expect(await at(`${START}${compute('rocm')}offloaded 9/17 layers to GPU\n`)).toMatchObject({ status: 'warn' })
  })
  it('fails where the file is not there, skips one without such lines, and leaves a CPU alone', async () => {
    expect(await runCheck(ollamaLog, GPU, { ollamaLog: '/nowhere/ollama.log' })).toMatchObject({ status: 'fail' })
    expect(await at('hello\n')).toMatchObject({ status: 'skip' })
    expect(await at(`${START}${compute('cpu')}`, {})).toMatchObject({ status: 'ok' })
  })
})
