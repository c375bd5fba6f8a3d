import { onTestFinished, describe, expect, it } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { openBlackhole } from '../helpers/blackhole.ts'
import { serveCollector, type Collector } from '../helpers/otlp.ts'
import { freePort } from '../helpers/ports.ts'
import { serveStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
/** Sent soon, so that a test need not wait. */
const SOON = { OTEL_BSP_SCHEDULE_DELAY: '20', OLLASCOPE_DRAIN_TIMEOUT: '30s' }

/** The whole product with a stand-in Ollama behind it. */
async function start(env: Record<string, string>, role?: 'collector'): Promise<RunningApp> {
  const upstream = await serveStandIn({ speed: 1 })
  const app = await startApp(upstream.port, { ...SOON, ...env }, undefined, role)
  onTestFinished(async () => {
    await app.close()
    await upstream.close()
  })
  return app
}

async function collect(...how: Parameters<typeof serveCollector>): Promise<Collector> {
  const collector = await serveCollector(...how)
  onTestFinished(() => collector.close())
  return collector
}

/** A short chat; gives the body's length. */
async function chat(app: RunningApp, headers: Record<string, string> = {}): Promise<number> {
  const body = JSON.stringify({ model: 'chat:270m', messages: [{ role: 'user', content: 'hi' }] })
  const response = await fetch(`${app.proxyUrl}/api/chat`, { method: 'POST', body, headers })
  expect(response.status).toBe(200)
  return (await response.text()).length
}

const tags = async (app: RunningApp, headers: Record<string, string> = {}) =>
  (await fetch(`${app.proxyUrl}/api/tags?secret=1`, { headers })).text()
const count = async (app: RunningApp, result: string) =>
  (await app.samples()).value('ollascope_trace_spans_total', { result }) ?? NaN
const said = (app: RunningApp) => app.log.map(({ msg }) => String(msg)).filter((msg) => msg.includes('traces '))

describe('a request', () => {
  it('is a span with its phases, below the caller’s, in the caller’s trace', async () => {
    const collector = await collect()
    const app = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    for (const result of ['exported', 'dropped', 'failed']) expect(await count(app, result)).toBe(0)
    await chat(app, { traceparent: `00-${TRACE}-${SPAN}-01`, 'X-Request-ID': 'mine' })
    const [receipt] = await app.receipts(1)
    await waitFor('the spans', () => collector.spans().length > 0)
    const [root, ...phases] = collector.spans()
    expect(root).toMatchObject({ traceId: TRACE, parentId: SPAN, name: 'POST /api/chat', kind: 2, status: 0 })
    expect(root?.attributes).toMatchObject({
      'http.response.status_code': 200,
      'gen_ai.request.model': 'chat:270m',
      'gen_ai.response.finish_reasons': [receipt?.outcome],
      'gen_ai.usage.output_tokens': receipt?.output_tokens,
      'ollascope.request_id': 'mine',
      'ollascope.load_ms': receipt?.load_ms,
    })
    expect(root?.resource).toMatchObject({ 'service.name': 'ollascope', 'service.version': '0.0.0-test' })
    expect(receipt?.trace_id).toBe(TRACE)
    const durationMs = Number((root?.end ?? 0n) - (root?.start ?? 0n)) / 1e6
    expect(durationMs).toBeCloseTo(Number(receipt?.duration_ms), 1)
    expect(Math.abs(Date.now() - Number(root?.end) / 1e6)).toBeLessThan(60_000)
    expect(phases.map(({ name }) => name)).toContain('decode')
    for (const phase of phases) {
      expect(phase).toMatchObject({ traceId: TRACE, parentId: root?.spanId, kind: 1 })
      expect(phase.start >= (root?.start ?? 0n) && phase.end <= (root?.end ?? 0n)).toBe(true)
    }
    expect(await waitFor('the count', () => count(app, 'exported'))).toBe(1 + phases.length)
  })

  it('without a caller’s span begins a trace, which its receipt and its exemplars name', async () => {
    const collector = await collect()
    const app = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    for (const traceparent of ['nonsense', `00-${'0'.repeat(32)}-${SPAN}-01`]) await tags(app, { traceparent })
    await tags(app)
    const receipts = await app.receipts(3)
    await waitFor('the spans', () => collector.spans().length >= 3)
    const ids = collector.spans().map(({ traceId, parentId }) => [traceId, parentId])
    expect(ids).toEqual(receipts.map(({ trace_id }) => [trace_id, '']))
    expect(new Set(ids.map(([traceId]) => traceId)).size).toBe(3)
    for (const [traceId] of ids) expect(traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/)
    const headers = { Accept: 'application/openmetrics-text' }
    const metrics = await (await fetch(`${app.adminUrl}/metrics`, { headers })).text()
    expect(metrics).toContain(`# {trace_id="${String(receipts[2]?.trace_id)}"}`)
  })

  it('that fails is an error, and one that is wrong is not', async () => {
    const collector = await collect()
    const dead = await freePort()
    const app = await startApp(dead, { ...SOON, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    onTestFinished(() => app.close())
    await tags(app)
    await fetch(`${app.proxyUrl}/api/chat`, { method: 'POST', headers: { 'Transfer-Encoding': 'x' } }).catch(() => 0)
    await app.receipts(1)
    await waitFor('the span', () => collector.spans().length > 0)
    expect(collector.spans()[0]).toMatchObject({ status: 2, attributes: { 'error.type': 'connect' } })
  })

  it.each([
    ['parentbased_always_on', undefined, [true, true, false]],
    ['always_on', undefined, [true, true, true]],
    ['always_off', undefined, [false, false, false]],
    ['parentbased_always_off', undefined, [false, true, false]],
    ['traceidratio', '0', [false, false, false]],
    ['traceidratio', '1', [true, true, true]],
    ['traceidratio', '', [true, true, true]],
    ['parentbased_traceidratio', '0', [false, true, false]],
  ])(
    'is kept by %s %s: without a parent, below one that is kept, below one that is not: %j',
    async (kind, arg, kept) => {
      const collector = await collect()
      const app = await start({
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_TRACES_SAMPLER: kind,
        ...(arg !== undefined && { OTEL_TRACES_SAMPLER_ARG: arg }),
      })
      const parents = [undefined, `00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-00`]
      for (const parent of parents) await tags(app, parent === undefined ? {} : { traceparent: parent })
      const receipts = await app.receipts(3)
      await app.close()
      expect(collector.spans()).toHaveLength(kept.filter(Boolean).length)
      // What has no trace of its own names the caller's.
      const named = [kept[0], true, true]
      expect(receipts.map(({ trace_id }) => trace_id !== undefined)).toEqual(named)
    },
  )

  it('gets no header that its client did not send', async () => {
    const collector = await collect()
    const heads: string[] = []
    const upstream = await serveCollector((res) => res.end('{}'))
    onTestFinished(() => upstream.close())
    const app = await startApp(upstream.port, { ...SOON, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    onTestFinished(() => app.close())
    await (await fetch(`${app.proxyUrl}/api/show`, { method: 'POST', body: '{}' })).text()
    for (const { path, headers } of upstream.deliveries) if (path === '/api/show') heads.push(...Object.keys(headers))
    expect(heads).toContain('x-request-id')
    expect(heads.filter((name) => name.startsWith('trace') || name === 'baggage')).toEqual([])
  })
})

describe('what is sent', () => {
  it('goes where and as the settings say', async () => {
    const collector = await collect()
    const app = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/otlp/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20a%2Cb,x-other=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-other=2',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_SERVICE_NAME: 'gpu-1',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=prod,service.name=no',
    })
    await tags(app)
    const delivery = await waitFor('a delivery', () => collector.deliveries[0])
    expect(delivery).toMatchObject({
      method: 'POST',
      path: '/otlp/v1/traces',
      headers: {
        authorization: 'Bearer a,b',
        'x-other': '2',
        'content-type': 'application/x-protobuf',
        'content-encoding': 'gzip',
        'user-agent': expect.stringMatching(/^ollascope\/0\.0\.0-test /) as string,
      },
    })
    expect(collector.spans()[0]?.resource).toMatchObject({
      'service.name': 'gpu-1',
      'deployment.environment.name': 'prod',
    })
    const status = (await (await fetch(`${app.adminUrl}/status`)).json()) as object
    expect(status).toMatchObject({ traces: { url: `${collector.url}/otlp/v1/traces` } })
    expect(JSON.stringify([status, app.log])).not.toContain('Bearer')
  })

  it('goes to the address for traces alone as it is, uncompressed', async () => {
    const collector = await collect()
    const app = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/here`,
    })
    await tags(app)
    const { path, headers } = await waitFor('a delivery', () => collector.deliveries[0])
    expect([path, headers['content-encoding']]).toEqual(['/here', undefined])
  })

  it.each([{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }])('is nothing with %j', async (off) => {
    const collector = await collect()
    const app = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...off })
    await tags(app)
    expect((await app.receipts(1))[0]).not.toHaveProperty('trace_id')
    expect(await count(app, 'exported')).toBeNaN()
    await app.close()
    expect(collector.deliveries).toEqual([])
  })

  it('is nothing where there is no proxy', async () => {
    const collector = await collect()
    const app = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, 'collector')
    expect(await count(app, 'exported')).toBeNaN()
    expect(await (await fetch(`${app.adminUrl}/status`)).json()).toMatchObject({ traces: null })
  })

  it('leaves at the end too, however far the next delivery is', async () => {
    const collector = await collect()
    const app = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '600000' })
    for (let i = 0; i < 20; i++) await tags(app)
    await app.receipts(20)
    expect(collector.deliveries).toEqual([])
    await app.close()
    expect(collector.spans()).toHaveLength(20)
  })
})

describe('a collector', () => {
  it('that is not there costs requests nothing, and is told of once; so is that it came', async () => {
    const port = await freePort()
    const app = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      // Less than the first retry waits for.
      OTEL_EXPORTER_OTLP_TIMEOUT: '700',
    })
    for (let i = 1; i <= 3; i++) {
      await tags(app)
      await waitFor('a failure', async () => (await count(app, 'failed')) >= i)
    }
    expect(said(app)).toEqual(['traces do not arrive; requests go on without them'])
    expect(app.log.find(({ reason }) => reason !== undefined)).toMatchObject({ level: 'warn', reason: 'ECONNREFUSED' })
    const collector = await collect(undefined, port)
    await waitFor('the word', async () => (await tags(app)) && said(app).includes('traces arrive again'))
    expect(collector.spans().length).toBeGreaterThan(0)
    expect(said(app).slice(0, 2)).toEqual(['traces do not arrive; requests go on without them', 'traces arrive again'])
  })

  it.each([
    ['refuses', 401, 'status 401'],
    ['fails', 500, 'status 500'],
    ['is busy', 503, 'Export failed with retryable status'],
  ])('that %s has its spans counted as failed', async (_how, status, reason) => {
    const collector = await collect((res) => res.writeHead(status, 'canary', { 'Retry-After': '60' }).end('canary'))
    const app = await start({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
    await tags(app)
    await waitFor('the failure', async () => (await count(app, 'failed')) === 1)
    expect(app.log.find((line) => line.reason !== undefined)).toMatchObject({ reason })
    expect(JSON.stringify(app.log)).not.toContain('canary')
  })

  it.each(['never answers', 'never accepts'])('that %s holds so many spans, and no request up', async (how) => {
    const silent = how === 'never answers' ? await serveCollector(() => undefined) : await openBlackhole()
    onTestFinished(() => silent.close())
    const app = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${silent.port}`,
      OTEL_BSP_MAX_QUEUE_SIZE: '8',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4',
      OTEL_EXPORTER_OTLP_TIMEOUT: '600000',
      OTEL_BSP_EXPORT_TIMEOUT: '600000',
      OLLASCOPE_DRAIN_TIMEOUT: '0s',
    })
    for (let i = 0; i < 30; i++) await tags(app)
    const receipts = await app.receipts(30)
    for (const { outcome } of receipts) expect(outcome).toBe('success')
    expect(await count(app, 'dropped')).toBe(22)
    await app.close()
    expect(app.log.at(-1)).toMatchObject({ msg: 'the last spans were not delivered in time', spans: 8 })
  })
})
