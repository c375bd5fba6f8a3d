import { afterAll, beforeAll, expect, test } from 'vitest'
import { calmAfter, sendForEver, servePlayer, serveWhile, type Player } from '../helpers/bystanders.ts'
import { describeWith } from '../helpers/needs.ts'
import { startServe, type Served } from '../helpers/process.ts'
import { openRaw, parseMessage, type RawClient } from '../helpers/raw.ts'
import { runSlowHttpTest } from '../helpers/tool-run.ts'

const CLIENTS = 500
/** What the well-behaved requests become. */
const SERVED = '/api/generate 200 length'
/** slowhttptest asks once in a while whether the server still answers: fewer times than this. */
const PROBES = 10

interface Pair {
  readonly served: Served
  readonly upstream: Player
}

const cleanUps: (() => Promise<void>)[] = []
let lateHeads: Promise<void>

beforeAll(() => {
  // It takes 30 s, in which the others run.
  lateHeads = sendLateHeads()
  lateHeads.catch(() => undefined)
})

afterAll(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

async function start(env: Record<string, string> = {}): Promise<Pair> {
  const upstream = await servePlayer((req, res) => {
    if (req.url === '/endless') sendForEver(res)
    else req.resume().on('end', () => res.writeHead(200, { Connection: 'close' }).end('{}'))
  })
  cleanUps.push(upstream.close)
  const served = await startServe(upstream.port, { env, onEnd: (kill) => cleanUps.push(kill) })
  return { served, upstream }
}

describeWith(['slowhttptest'], `slowhttptest with ${CLIENTS} connections, while others are served`, () => {
  test('slow heads: one that is given up before it is whole is a bad request', { timeout: 60_000 }, async () => {
    const { ways } = await attack(await start(), '/api/version', '-H', '-i', '1', '-x', '10', '-l', '6')
    const { 'unknown 400 caller_error bad_request': refused, '/api/version 200 success': probes = 0, ...others } = ways
    expect(refused).toBe(CLIENTS)
    expect(probes).toBeLessThan(PROBES)
    expect(others).toEqual({})
  })

  test.each([
    ['that stop: 408 when nothing comes any more', '60', { OLLASCOPE_IDLE_TIMEOUT: '2s' }],
    ['that trickle: 408 when they take too long', '1', { OLLASCOPE_REQUEST_TIMEOUT: '8s' }],
  ])('slow bodies %s', { timeout: 60_000 }, async (_title, seconds, env) => {
    const { ways, status } = await attack(
      await start(env),
      '/api/create',
      ...['-B', '-i', seconds, '-s', '8192', '-l', '18'],
    )
    const { '/api/create 408 timeout upload_timeout': refused, '/api/create 200 success': probes = 0, ...others } = ways
    expect(status).toBe('No open connections left')
    expect(refused).toBe(CLIENTS)
    expect(probes).toBeLessThan(PROBES)
    expect(others).toEqual({})
  })

  test('slow reads: cut off when nothing is taken', { timeout: 60_000 }, async () => {
    const pair = await start({ OLLASCOPE_IDLE_TIMEOUT: '4s' })
    const windows = ['-w', '10', '-y', '20', '-n', '1', '-z', '5']
    const { ways } = await attack(pair, '/endless', '-X', ...windows, '-l', '9')
    // A probe can be gone before its answer begins.
    const {
      'unknown 200 client_abort client_abort': cut = 0,
      'unknown 499 client_abort client_abort': gone = 0,
      ...others
    } = ways
    expect(cut + gone).toBeGreaterThanOrEqual(CLIENTS)
    expect(cut + gone).toBeLessThan(CLIENTS + PROBES)
    expect(others).toEqual({})
  })
})

test('heads that do not come: 408 after 30 s, and others are served', { timeout: 90_000 }, () => lateHeads)

/** Runs slowhttptest to its end. @returns its own words, and how the requests of its connections ended */
async function attack({ served, upstream }: Pair, path: string, ...how: string[]) {
  const options = [...how, '-c', String(CLIENTS), '-r', String(CLIENTS), '-p', '5']
  const attacked = runSlowHttpTest(`${served.proxyUrl}${path}`, options)
  const { result, served: others } = await serveWhile(served.proxyPort, attacked)
  const { [SERVED]: good, ...ways } = await calmAfter(served, upstream.port)
  expect(good).toBe(others)
  return { ...result, ways }
}

async function sendLateHeads(): Promise<void> {
  const { served, upstream } = await start()
  const open = (count: number, bytes: string) => Array.from({ length: count }, () => openRaw(served.proxyPort, bytes))
  const beginMs = performance.now()
  const silent = [...open(CLIENTS, 'GET /api/version HTTP/1.1\r\nHost: loc'), ...open(50, '')]
  const trickling = open(50, 'GET /api/version HTTP/1.1\r\nHost: localhost\r\nX-Trickle: ')
  const trickle = setInterval(() => {
    for (const { socket } of trickling) if (socket.writable) socket.write('x')
  }, 500)
  const all = Promise.all([...silent, ...trickling].map(({ ended }) => ended))
  const { served: others } = await serveWhile(served.proxyPort, all)
  clearInterval(trickle)

  expect(performance.now() - beginMs).toBeGreaterThan(30_000)
  for (const client of silent) await expectTimeout(client)
  expect(await calmAfter(served, upstream.port)).toEqual({
    [SERVED]: others,
    'unknown 408 caller_error bad_request': silent.length + trickling.length,
  })
}

async function expectTimeout(client: RawClient): Promise<void> {
  const { bytes, end } = await client.ended
  const { startLine, complete, body } = parseMessage(bytes)
  const error = 'ollascope: the request did not arrive in time'
  expect({ startLine, complete, end }).toEqual({
    startLine: 'HTTP/1.1 408 Request Timeout',
    complete: true,
    end: 'fin',
  })
  expect(JSON.parse(body.toString())).toEqual({ error })
}
