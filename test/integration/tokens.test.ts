import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { LogLine, RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage, type RawMessage } from '../helpers/raw.ts'
import { answer, answerEach, chunk, hasHead, holds, parseRequests, settled, startPair } from '../helpers/upstream.ts'
import { waitFor } from '../helpers/wait.ts'

const ANN = 'ann-secret-71f3'
const BOB = 'bob-secret-90ac'
const WRONG = 'wrong-secret-5d1e'
const UNAUTHORIZED = { status: 401, outcome: 'denied', error_type: 'unauthorized' }
const MESSAGE = 'ollascope: this needs a valid token; send "Authorization: Bearer TOKEN" or "x-api-key: TOKEN", once'
const USAGE =
  '{"model":"m","response":"x","done":true,"done_reason":"stop","prompt_eval_count":3,"prompt_eval_duration":1,"eval_count":5,"eval_duration":1}'

const served = answerEach(() => answer(USAGE))

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function line(name: string, token: string): string {
  return `${name}:${sha256(token)}\n`
}

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tokens-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Writes a file whole: nobody can read half of it. */
function put(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

/** The settings of a tokens file that says this. */
function tokensEnv(text = line('ann', ANN) + line('bob', BOB)): { OLLASCOPE_TOKENS_FILE: string } {
  const file = join(tempFolder(), 'tokens')
  writeFileSync(file, text)
  return { OLLASCOPE_TOKENS_FILE: file }
}

/** A request that runs a model, with these lines in its head; it is the last of its connection. */
function generate(...lines: string[]): string {
  const body = '{"model":"m","stream":false}'
  const head = ['Host: x', ...lines, `Content-Length: ${body.length}`, 'Connection: close']
  return `POST /api/generate HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${body}`
}

function head(method: string, target: string, ...lines: string[]): string {
  return `${method} ${target} HTTP/1.1\r\n${['Host: x', ...lines].join('\r\n')}\r\n\r\n`
}

async function ask(app: RunningApp, request: string): Promise<RawMessage> {
  return parseMessage((await openRaw(app.proxyPort, request).ended).bytes, request.startsWith('HEAD'))
}

async function statusOf(app: RunningApp, token: string): Promise<number> {
  const { startLine } = await ask(app, generate(`x-api-key: ${token}`))
  return Number(startLine.split(' ')[1])
}

describe('a token', () => {
  it.each([
    ['Bearer', [`Authorization: Bearer ${ANN}`], 'ann'],
    ['bearer', [`authorization: bEARER ${BOB}`], 'bob'],
    ['x-api-key', [`X-Api-Key: ${BOB}`], 'bob'],
    ['both', [`x-api-key: ${BOB}`, `Authorization: Bearer ${ANN}`], 'ann'],
    ['a wrong and a right one', [`Authorization: Bearer ${WRONG}`, `x-api-key: ${BOB}`], 'bob'],
  ])('as %s lets the request through, and stays behind', async (_, lines, client) => {
    const { app, upstream } = await startPair(served, tokensEnv())
    const message = await ask(app, generate(...lines, 'X-Other: kept', 'traceparent: x'))
    expect(message.startLine).toBe('HTTP/1.1 200 OK')
    expect(message.body.toString()).toBe(USAGE)
    const [request] = parseRequests(upstream.connections[0]?.received() ?? Buffer.alloc(0))
    const names = request?.rawHeaders.filter((_name, index) => index % 2 === 0)
    expect(names).toEqual(['Host', 'X-Other', 'traceparent', 'Content-Length', 'X-Request-ID'])
    expect(upstream.connections[0]?.received().toString()).not.toContain('secret')
    expect(await settled(app, 1)).toMatchObject([{ client, outcome: 'stop', input_tokens: 3, output_tokens: 5 }])
    const samples = await app.samples()
    expect(samples.value('ollama_client_requests_total', { client, outcome: 'stop' })).toBe(1)
    expect(samples.value('ollama_client_tokens_total', { client, type: 'input' })).toBe(3)
    expect(samples.value('ollama_client_tokens_total', { client, type: 'output' })).toBe(5)
    expect(samples.sum('ollama_client_requests_total')).toBe(1)
  })

  const bad = `Authorization: Bearer ${WRONG}`
  const refused: [title: string, request: string][] = [
    ['nothing', generate()],
    ['a wrong one', generate(bad)],
    ['two Authorizations', generate(`Authorization: Bearer ${ANN}`, `Authorization: Bearer ${ANN}`)],
    ['a right one behind a wrong one', generate(bad, `authorization: Bearer ${ANN}`)],
    ['two x-api-keys', generate(`x-api-key: ${ANN}`, `X-API-KEY: ${BOB}`)],
    ['another scheme', generate(`Authorization: Basic ${ANN}`)],
    ['the hash', generate(`x-api-key: ${sha256(ANN)}`)],
    ['a cookie and the query', generate(`Cookie: token=${ANN}`).replace('generate', `generate?x-api-key=${ANN}`)],
    ['its name', generate('x-api-key: ann')],
    ['HEAD', head('HEAD', '/', bad, 'Connection: close')],
    ['a preflight', head('OPTIONS', '/api/chat', 'Origin: http://localhost', 'Connection: close')],
    ['an unknown path', head('GET', '/metrics', 'Connection: close')],
    ['an upgrade', head('GET', '/api/tags', 'Upgrade: h2c', 'Connection: Upgrade, close')],
    ['chunks', `${head('POST', '/api/pull', bad, 'Transfer-Encoding: chunked')}2\r\n{}\r\n0\r\n\r\n`],
    ['HTTP/1.0', head('GET', '/api/tags', bad).replace('1.1', '1.0')],
  ]
  it.each(refused)('is not in %s', async (_, request) => {
    const { app, upstream } = await startPair(served, tokensEnv())
    const client = openRaw(app.proxyPort, request)
    const { bytes } = await client.ended
    const message = parseMessage(bytes, request.startsWith('HEAD'))
    expect(message.startLine).toBe('HTTP/1.1 401 Unauthorized')
    expect(message.headers).toContainEqual(['WWW-Authenticate', 'Bearer realm="ollascope"'])
    const body = request.startsWith('HEAD') ? '' : JSON.stringify({ error: MESSAGE })
    expect(bytes.toString().split('\r\n\r\n')[1]).toBe(body)
    expect(message.headers).toContainEqual(['Content-Length', String(JSON.stringify({ error: MESSAGE }).length)])
    expect(upstream.connections).toHaveLength(0)
    const [receipt] = await settled(app, 1)
    expect(receipt).toMatchObject({ ...UNAUTHORIZED, request_bytes: 0, response_bytes: body.length })
    expect(receipt).not.toHaveProperty('client')
    expect((await app.samples()).sum('ollama_client_requests_total')).toBe(0)
  })

  it.each([
    ['/v1/chat/completions', { error: { message: MESSAGE, type: 'authentication_error', param: null, code: null } }],
    ['/v1/nothing', { error: { message: MESSAGE, type: 'authentication_error', param: null, code: null } }],
    ['/v1/messages', { type: 'error', error: { type: 'authentication_error', message: MESSAGE } }],
    ['/nothing', { error: MESSAGE }],
  ])('is missed in the words of %s', async (path, body) => {
    const { app, upstream } = await startPair(served, tokensEnv())
    const { startLine, body: got } = await ask(app, generate().replace('/api/generate', path))
    expect([startLine, JSON.parse(got.toString())]).toEqual(['HTTP/1.1 401 Unauthorized', body])
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([UNAUTHORIZED])
  })

  it.each([
    ['with its length', 'Content-Length: 5', 'body!'],
    ['in chunks', 'Transfer-Encoding: chunked', '5\r\nbody!\r\n0\r\n\r\n'],
  ])('is asked for before a body %s that waits to be asked for', async (_, framing, body) => {
    const { app, upstream } = await startPair(served, tokensEnv())
    const client = openRaw(app.proxyPort, head('POST', '/api/pull', bad, 'Expect: 100-continue', framing))
    await client.until(hasHead)
    client.socket.write(body) // not every client waits
    const { bytes } = await client.ended
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/)
    expect(bytes.toString()).not.toContain('100 Continue')
    expect(upstream.connections).toHaveLength(0)
    expect(await settled(app, 1)).toMatchObject([{ ...UNAUTHORIZED, endpoint: '/api/pull' }])
  })

  it('is asked for of every request of a connection', async () => {
    const { app, upstream } = await startPair(served, tokensEnv())
    const good = head('GET', '/api/tags', `x-api-key: ${ANN}`)
    const client = openRaw(app.proxyPort, good + good + head('DELETE', '/api/delete', 'Connection: close'))
    const { bytes } = await client.ended
    expect(bytes.toString().match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(['200', '200', '401'])
    const targets = upstream.connections.flatMap((one) => parseRequests(one.received())).map(({ target }) => target)
    expect(targets).toEqual(['/api/tags', '/api/tags'])
    const receipts = await settled(app, 3)
    expect(receipts.map(({ client: name }) => name)).toEqual(expect.arrayContaining(['ann', 'ann', undefined]))
    expect(receipts.filter(({ status }) => status === 401)).toMatchObject([{ endpoint: '/api/delete' }])
  })

  it('is no label where that is not wanted', async () => {
    const env = { ...tokensEnv(), OLLASCOPE_METRICS_CLIENT_LABEL: 'false' }
    const { app } = await startPair(served, env)
    expect(await statusOf(app, ANN)).toBe(200)
    expect(await settled(app, 1)).toMatchObject([{ client: 'ann' }])
    const text = await (await fetch(`${app.adminUrl}/metrics`)).text()
    expect(text).toContain('# TYPE ollama_client_requests_total')
    expect(text).not.toContain('ann')
  })

  it('stands in no log line, no metric and no status', async () => {
    const { app } = await startPair(served, { ...tokensEnv(), OLLASCOPE_LOG_LEVEL: 'trace' })
    for (const [, request] of refused) await ask(app, request)
    for (const token of [ANN, BOB, WRONG]) {
      await ask(app, generate(`Authorization: Bearer ${token}`, `X-Request-ID: ${token}!`))
    }
    await settled(app, refused.length + 3)
    const pages = ['/metrics', '/status', '/health', '/readyz']
    const texts = await Promise.all(pages.map(async (page) => (await fetch(`${app.adminUrl}${page}`)).text()))
    const all = [...texts, ...app.log.map((one) => JSON.stringify(one))].join('\n')
    expect(all).toContain('"client":"ann"')
    for (const secret of ['secret', sha256(ANN), sha256(BOB)]) expect(all).not.toContain(secret)
  })
})

it('a flood of wrong tokens is counted to the last one, and a stream goes on meanwhile', async () => {
  const { app, upstream } = await startPair(undefined, tokensEnv())
  const stream = openRaw(app.proxyPort, generate(`x-api-key: ${ANN}`))
  const connection = await upstream.next()
  connection.socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n')
  const flood = Array.from({ length: 20 }, async (_, client) => {
    for (let i = 0; i < 100; i++) {
      const { startLine } = await ask(app, generate(`Authorization: Bearer ${WRONG}-${client}-${i}`))
      expect(startLine).toBe('HTTP/1.1 401 Unauthorized')
    }
  })
  for (let i = 0; i < 10; i++) {
    connection.socket.write(chunk(`{"response":"piece ${i}","done":false}\n`))
    await stream.until(holds(`piece ${i}`))
  }
  await Promise.all(flood)
  connection.socket.write(`${chunk(`${USAGE}\n`)}0\r\n\r\n`)
  expect(parseMessage((await stream.ended).bytes).complete).toBe(true)
  const receipts = await settled(app, 2001)
  expect(receipts.filter(({ error_type }) => error_type === 'unauthorized')).toHaveLength(2000)
  expect(receipts.filter(({ outcome }) => outcome === 'stop')).toMatchObject([{ client: 'ann', output_tokens: 5 }])
  const labels = { method: 'POST', endpoint: '/api/generate', status: '401' }
  expect((await app.samples()).value('ollama_requests_total', labels)).toBe(2000)
  expect(upstream.connections).toHaveLength(1)
})

describe('a tokens file that changes', () => {
  /** What was said of changed files, so far. */
  const told = (app: RunningApp): LogLine[] => app.log.filter(({ what }) => what === 'tokens')
  const toldMore = (app: RunningApp, count: number) =>
    waitFor('a line about the tokens file', () => told(app).length >= count && told(app)[count - 1])
  const success = async (app: RunningApp) =>
    (await app.samples()).value('ollascope_last_reload_successful', { file: 'tokens' })

  it('is taken over without a restart, and a stream goes on', async () => {
    const env = tokensEnv()
    const { app, upstream } = await startPair(undefined, env)
    expect(await success(app)).toBe(1)
    const stream = openRaw(app.proxyPort, generate(`x-api-key: ${ANN}`))
    const connection = await upstream.next()
    put(env.OLLASCOPE_TOKENS_FILE, line('cid', WRONG))
    expect(await toldMore(app, 1)).toMatchObject({ level: 'info' })
    expect(await statusOf(app, ANN)).toBe(401)
    const other = ask(app, generate(`Authorization: Bearer ${WRONG}`))
    ;(await upstream.next()).socket.write(answer(USAGE))
    expect((await other).startLine).toBe('HTTP/1.1 200 OK')
    connection.socket.write(answer(USAGE))
    expect(parseMessage((await stream.ended).bytes).body.toString()).toBe(USAGE)
    const receipts = await settled(app, 3)
    expect(receipts.map(({ client }) => client)).toEqual([undefined, 'cid', 'ann'])
    expect(await success(app)).toBe(1)
  })

  it('may be swapped by a link, or renamed into its place', async () => {
    const folder = tempFolder()
    const mount = (version: string, text: string) => {
      mkdirSync(join(folder, version))
      writeFileSync(join(folder, version, 'tokens'), text)
      symlinkSync(version, join(folder, '..tmp'))
      renameSync(join(folder, '..tmp'), join(folder, '..data'))
    }
    mount('..1', line('ann', ANN))
    symlinkSync('..data/tokens', join(folder, 'tokens'))
    const { app } = await startPair(served, { OLLASCOPE_TOKENS_FILE: join(folder, 'tokens') })
    expect([await statusOf(app, ANN), await statusOf(app, BOB)]).toEqual([200, 401])
    mount('..2', line('bob', BOB))
    await toldMore(app, 1)
    expect([await statusOf(app, ANN), await statusOf(app, BOB)]).toEqual([401, 200])
    put(join(folder, 'tokens'), line('ann', ANN)) // in the place of the link
    await toldMore(app, 2)
    expect([await statusOf(app, ANN), await statusOf(app, BOB)]).toEqual([200, 401])
    await settled(app, 6)
  })

  it('keeps the tokens from before where it is broken, and says so until it is mended', async () => {
    const env = tokensEnv(line('ann', ANN))
    const file = env.OLLASCOPE_TOKENS_FILE
    const { app } = await startPair(served, env)
    let asked = 0
    const breaks: [how: string, act: () => void][] = [
      ['no hash', () => put(file, `${line('bob', BOB)}cid:${BOB}\n`)],
      ['a hash twice', () => put(file, line('ann', BOB) + line('bob', BOB))],
      ['empty', () => truncateSync(file)],
      ['removed', () => rmSync(file)],
      ['a folder', () => mkdirSync(file)],
    ]
    for (const [index, [how, act]] of breaks.entries()) {
      act()
      const said = await toldMore(app, index + 1)
      expect([how, said]).toMatchObject([how, { level: 'error', problems: [expect.any(String)] }])
      expect(JSON.stringify(said)).not.toContain(BOB)
      expect([how, await success(app)]).toEqual([how, 0])
      expect([how, await statusOf(app, ANN), await statusOf(app, BOB)]).toEqual([how, 200, 401])
      asked += 2
    }
    rmSync(file, { recursive: true })
    put(file, line('bob', BOB))
    // The folder's removal may have been seen on its own.
    await waitFor('the new tokens', async () => (await success(app)) === 1)
    expect(told(app).at(-1)).toMatchObject({ level: 'info' })
    expect([await statusOf(app, ANN), await statusOf(app, BOB)]).toEqual([401, 200])
    await settled(app, asked + 2)
  })

  it('does not take away those of the config file, nor may it have one of them', async () => {
    const env = tokensEnv(line('ann', ANN))
    const config = join(tempFolder(), 'config.yaml')
    writeFileSync(config, `tokens:\n  bob: ${sha256(BOB)}\n`)
    const { app } = await startPair(served, { ...env, OLLASCOPE_CONFIG: config })
    put(env.OLLASCOPE_TOKENS_FILE, line('cid', WRONG))
    await toldMore(app, 1)
    expect([await statusOf(app, ANN), await statusOf(app, BOB), await statusOf(app, WRONG)]).toEqual([401, 200, 200])
    // At the start this would be refused.
    put(env.OLLASCOPE_TOKENS_FILE, line('mallory', BOB))
    expect(await toldMore(app, 2)).toMatchObject({ level: 'error' })
    expect(await statusOf(app, BOB)).toBe(200)
    expect((await settled(app, 4)).map(({ client }) => client)).toEqual([undefined, 'bob', 'cid', 'bob'])
  })
})
