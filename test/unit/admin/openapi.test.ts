import { readFileSync } from 'node:fs'
import { METHODS } from 'node:http'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { createAdmin } from '../../../src/admin/admin.ts'
import { ERROR_TYPES, OUTCOMES } from '../../../src/ollama/outcome.ts'
import { startApp, type RunningApp } from '../../helpers/app.ts'
import { listenTo } from '../../helpers/events.ts'
import { isFields, type Fields } from '../../helpers/json.ts'
import { playLoad, playRecorded } from '../../helpers/load.ts'
import { openRaw } from '../../helpers/raw.ts'
import { createGate, serveStandIn, startStandIn } from '../../helpers/stand-in.ts'
import { waitFor } from '../../helpers/wait.ts'

const file = new URL('../../../docs/openapi.yaml', import.meta.url)
const description = fieldsOf(parse(readFileSync(file, 'utf8')))
const paths = fieldsOf(description.paths)

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, validateFormats: false })
ajv.addVocabulary(Object.keys(description))
ajv.addSchema(description, 'openapi')

describe('docs/openapi.yaml', () => {
  test('has every route of the admin listener, and no other', () => {
    const described = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(fieldsOf(item))
        .filter((key) => METHODS.includes(key.toUpperCase()))
        .map((method) => `${method} ${path}`),
    )
    expect(described.sort()).toEqual(routesOfAdmin().sort())
  })

  test('has the outcomes and the error types that there are', () => {
    const { properties } = fieldsOf(schemaNamed('Receipt'))
    expect(fieldsOf(fieldsOf(properties).outcome).enum).toEqual(OUTCOMES)
    expect(fieldsOf(fieldsOf(properties).error_type).enum).toEqual(ERROR_TYPES)
  })

  test('says which routes need the admin token', async () => {
    const app = await startAlone({ OLLASCOPE_ADMIN_TOKEN: 'a-token-that-is-long-enough' })
    for (const [path, item] of Object.entries(paths)) {
      const { security } = fieldsOf(fieldsOf(item).get)
      const open = Array.isArray(security) && security.length === 0
      const { status } = await fetch(`${app.adminUrl}${path}`)
      if (open) expect([path, status]).not.toEqual([path, 401])
      else expect(await answerAsDescribed(app, path)).toMatchObject({ status: 401 })
    }
  })
})

describe('the answers are as docs/openapi.yaml describes them', () => {
  test('with an upstream, requests that ended and one that runs', async () => {
    const { gate, open } = createGate(3)
    const standIn = await startStandIn()
    const held = await startStandIn({ speed: 0, gate })
    const app = await startApp(standIn.port)
    const busy = await startApp(held.port)
    onTestFinished(app.close)
    onTestFinished(busy.close)
    onTestFinished(open)
    await waitFor('readiness', async () => (await fetch(`${app.adminUrl}/readyz`)).ok)
    await app.receipts(await playLoad(app.proxyPort))
    const body = '{"model":"gemma3:270m","prompt":"The sky is blue because"}'
    const head = `POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
    const client = openRaw(busy.proxyPort, `${head}${body}`)
    onTestFinished(() => void client.socket.destroy())
    await client.until((bytes) => bytes.includes('"done":false'))

    for (const path of Object.keys(paths)) expect(await answerAsDescribed(app, path)).toMatchObject({ status: 200 })
    const { body: status } = await answerAsDescribed(app, '/status')
    expect(status).toMatchObject({ models: [{ name: 'gemma3:270m' }, { name: 'all-minilm:l6' }] })
    expect(fieldsOf(status).receipts).toHaveLength((await app.samples()).sum('ollama_requests_total'))
    expect((await answerAsDescribed(busy, '/status')).body).toMatchObject({ in_flight: [{ phase: 'decoding' }] })
  })

  test('the events of /events, too', async () => {
    const standIn = await startStandIn()
    const app = await startApp(standIn.port)
    onTestFinished(app.close)
    const { next } = await listenTo(`${app.adminUrl}/events`)
    expect(describeProblems('openapi#/components/schemas/Status', (await next('status')).data)).toBe('')
    await playRecorded(app.proxyPort, 'chat-stream')
    expect(describeProblems('openapi#/components/schemas/Receipt', (await next('receipt')).data)).toBe('')
    const brief = fieldsOf((await next('status')).data)
    expect(describeProblems('openapi#/components/schemas/Status', { ...brief, receipts: [] })).toBe('')
    expect(brief).not.toHaveProperty('receipts')
  })

  test('without an upstream', async () => {
    const app = await startAlone()
    const readiness = await waitFor('a reason', async () => {
      const answer = await answerAsDescribed(app, '/readyz')
      return fieldsOf(answer.body).status === 'unavailable' && answer
    })
    expect(readiness.status).toBe(503)
    for (const path of ['/ready', '/health', '/health/ollama']) {
      expect(await answerAsDescribed(app, path)).toMatchObject({ status: 503 })
    }
    expect(await answerAsDescribed(app, '/healthz')).toMatchObject({ status: 200 })
    expect((await answerAsDescribed(app, '/status')).body).toMatchObject({ upstream: { installed_models: null } })
  })

  test('and something else is not', () => {
    const problems = (schema: string, value: unknown) =>
      describeProblems(`openapi#/components/schemas/${schema}`, value)
    expect(problems('Ready', { status: 'ready', reasons: [] })).toBe('')
    expect(problems('Ready', { status: 'degraded', reasons: ['on the CPU'] })).toBe('')
    expect(problems('Ready', { status: 'draining', reasons: [] })).not.toBe('')
    expect(problems('Alive', { status: 'ok', more: 1 })).not.toBe('')
    expect(problems('Error', {})).not.toBe('')
  })
})

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** Asks, and holds the answer against the description: its status, its content type, and the schema of its body. */
async function answerAsDescribed(app: RunningApp, path: string): Promise<Answer> {
  const leave = new AbortController()
  const response = await fetch(`${app.adminUrl}${path}`, { signal: leave.signal })
  const type = response.headers.get('content-type') ?? ''
  const responses = fieldsOf(fieldsOf(fieldsOf(paths[path]).get).responses)
  const described = resolve(responses[String(response.status)])
  if (!isFields(described)) throw new Error(`${path}: the status ${response.status} is not described`)
  const content = fieldsOf(described.content)
  const media = content[type] ?? content[type.replace(/;.*/, '')]
  if (!isFields(media)) throw new Error(`${path}: the content type ${type} is not described`)
  if (type === 'text/event-stream') {
    leave.abort() // it has no end
    return { status: response.status, body: undefined }
  }
  const body: unknown = type.startsWith('application/json') ? await response.json() : await response.text()
  const problems = describeProblems(media.schema, body)
  if (problems !== '') throw new Error(`${path}, ${response.status}: ${problems}`)
  return { status: response.status, body }
}

/** What is wrong with the value; '' where nothing is. */
function describeProblems(schema: unknown, value: unknown): string {
  const reference = typeof schema === 'string' ? schema : referenceOf(schema)
  const validate = ajv.compile(reference === undefined ? fieldsOf(schema) : { $ref: reference })
  return validate(value) ? '' : ajv.errorsText(validate.errors)
}

function referenceOf(schema: unknown): string | undefined {
  const { $ref } = fieldsOf(schema)
  return typeof $ref === 'string' ? `openapi${$ref}` : undefined
}

/** A response that the file describes once for all routes. */
function resolve(response: unknown): unknown {
  const name = isFields(response) ? /^#\/components\/responses\/(\w+)$/.exec(String(response.$ref))?.[1] : undefined
  return name === undefined ? response : fieldsOf(fieldsOf(description.components).responses)[name]
}

function schemaNamed(name: string): unknown {
  return fieldsOf(fieldsOf(description.components).schemas)[name]
}

/** The routes that express has, such as `get /healthz`. */
function routesOfAdmin(): string[] {
  const admin = createAdmin({
    isForHere: () => true,
    token: undefined,
    readiness: () => ({ ready: true, status: 'ready', reasons: [] }),
    status: () => ({}),
    events: () => undefined,
    model: () => undefined,
    metrics: () => Promise.resolve({ type: 'text/plain', body: '' }),
    onError: () => undefined,
  })
  const [app] = admin.listeners('request')
  const stack = app !== undefined && 'router' in app ? layersOf(app.router) : []
  return stack.flatMap((layer) => {
    if (!isFields(layer.route)) return []
    const { path, methods } = layer.route
    const names = Object.keys(fieldsOf(methods))
    return [path].flat().flatMap((one) => names.map((method) => `${method} ${String(one)}`))
  })
}

function layersOf(router: unknown): Fields[] {
  const stack: unknown = typeof router === 'function' && 'stack' in router ? router.stack : undefined
  if (!Array.isArray(stack)) throw new Error('express has no routes where they used to be')
  return stack.filter(isFields)
}

/** The app in front of an upstream that is not there. */
async function startAlone(env: Record<string, string> = {}): Promise<RunningApp> {
  const gone = await serveStandIn()
  await gone.close()
  const app = await startApp(gone.port, env)
  onTestFinished(app.close)
  return app
}

function fieldsOf(value: unknown): Fields {
  if (!isFields(value)) throw new Error(`no object: ${JSON.stringify(value)}`)
  return value
}
