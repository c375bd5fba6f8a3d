import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import type { Check, Result } from '../../src/doctor/check.ts'
import { createContext, type DoctorOptions } from '../../src/doctor/context.ts'

/** Nobody listens there. */
export const NOWHERE = 'http://127.0.0.1:1'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A server that answers paths, without what follows a question mark: a function plays, all else is JSON. */
export async function play(routes: Readonly<Record<string, unknown>>): Promise<string> {
  const server = createServer((request, response) => {
    const route = routes[new URL(request.url ?? '', NOWHERE).pathname]
    if (typeof route === 'function') (route as Handler)(request, response)
    else sendJson(response, route === undefined ? 404 : 200, route ?? { error: 'not here' })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

export function sendJson(response: ServerResponse, status: number, json: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(json))
}

/** Takes the question, and says nothing. */
export const silence: Handler = () => undefined

export function folderOfTest(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-doctor-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs a check where nothing is there but what the test says. */
export function runCheck(
  check: Check,
  env: Readonly<Record<string, string>> = {},
  options: Partial<DoctorOptions> = {},
): Promise<Result> {
  return check.run(contextOf(env, options))
}

export function contextOf(env: Readonly<Record<string, string>> = {}, options: Partial<DoctorOptions> = {}) {
  const nothing = folderOfTest()
  const all = {
    OLLASCOPE_UPSTREAM: NOWHERE,
    OLLASCOPE_LISTEN: '127.0.0.1:0',
    OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:1',
    OLLASCOPE_NVIDIA_SMI: join(nothing, 'nvidia-smi'),
    OLLASCOPE_SYS_ROOT: nothing,
    OLLASCOPE_DOCKER_HOST: `unix://${nothing}/docker.sock`,
    ...env,
  }
  return createContext({
    config: loadConfig(all, (path) => readFileSync(path, 'utf8')),
    env: { PATH: process.env.PATH, ...all },
    collector: { url: NOWHERE, given: false },
    prometheus: { url: NOWHERE, given: false },
    alertmanager: { url: NOWHERE, given: false },
    ollamaLog: undefined,
    timeoutMs: 60_000,
    answerTimeoutMs: 60_000,
    stop: new AbortController().signal,
    machine: { platform: 'linux', arch: 'x64' },
    ...options,
  })
}

/** A model of 7 billion parameters. */
export const MODEL = 'big:7b'
const DETAILS = { family: 'llama', parameter_size: '7B', quantization_level: 'Q8_0' }

export interface PlayedOllama {
  /** Of the bytes of the model in memory; left out, all. */
  readonly gpuShare?: number
  readonly loaded?: boolean
  readonly installed?: readonly string[]
  /** Tokens a second by the server's clock; left out, 50. */
  readonly rate?: number
  readonly tokens?: number
  /** In the place of what generates. */
  readonly generate?: Handler
}

/** An Ollama with one model. */
export function playOllama(ollama: PlayedOllama = {}): Promise<string> {
  const { gpuShare = 1, loaded = true, installed = [MODEL], rate = 50, tokens = 50 } = ollama
  const size = 8_900_000_000
  const entry = { name: MODEL, size, size_vram: size * gpuShare, details: DETAILS, context_length: 4096 }
  const generate: Handler = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(`${JSON.stringify({ model: MODEL, response: 'One', done: false })}\n`)
    const done = { load_duration: 1e6, prompt_eval_count: 9, prompt_eval_duration: 1e7, eval_count: tokens }
    response.end(
      `${JSON.stringify({ model: MODEL, response: '', done: true, ...done, eval_duration: (tokens / rate) * 1e9 })}\n`,
    )
  }
  return play({
    '/api/version': { version: '0.33.0' },
    '/api/tags': { models: installed.map((name) => ({ name, size: 7_700_000_000, details: DETAILS })) },
    '/api/ps': { models: loaded ? [entry] : [] },
    '/api/generate': ollama.generate ?? generate,
  })
}

/** What `/status` of a running one says, as far as doctor reads it. */
export function statusDocument(changes: object = {}): object {
  return {
    role: 'serve',
    status: 'ready',
    gpu: { expected: false, because: 'never seen', gpus: [] },
    collectors: [{ name: 'ollama', status: 'ok', message: null }],
    ...changes,
  }
}

/** The setting that makes doctor ask this server as its admin listener. */
export function adminAt(url: string): { readonly OLLASCOPE_ADMIN_LISTEN: string } {
  return { OLLASCOPE_ADMIN_LISTEN: new URL(url).host }
}
