import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { INSPECT, STATS_V1, withFields } from './docker-captures.ts'
import type { Fields } from './json.ts'
import { waitFor } from './wait.ts'

/** A container of the fake daemon; it runs unless its inspect says otherwise. */
export interface FakeContainer {
  readonly id: string
  readonly name: string
  readonly image: string
  readonly labels: Fields
  readonly inspect: Fields
  readonly stats: Fields
}

/** An open request for events. */
interface FakeStream {
  readonly query: URLSearchParams
  /** Sends bytes as they are. */
  readonly write: (bytes: string | Buffer) => void
  /** Ends the answer in good order, or in the middle of a chunk. */
  readonly end: () => void
  readonly cut: () => void
  readonly isOpen: () => boolean
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A Docker API on a Unix socket, which keeps its events and sends them again as a real one does. */
export interface FakeDocker {
  readonly socket: string
  readonly host: string
  /** What there is; tests change it. */
  containers: FakeContainer[]
  /** The paths that were asked for, without what follows a question mark. */
  readonly asked: string[]
  /** The requests for events so far. */
  readonly streams: FakeStream[]
  /** Answers paths that match in a way of its own, until the next call; `undefined` ends that. */
  readonly answer: (path: RegExp | undefined, handler?: Handler) => void
  /** An event of a container: kept, and sent to all open streams. Gives its line. */
  readonly emit: (action: string, id: string, timeNano: bigint) => string
  /** Loses its events, as a daemon does that was started again. */
  readonly forget: () => void
  /** Waits for the open stream of this number, from 0 on. */
  readonly stream: (number: number) => Promise<FakeStream>
}

/** An id of 64 digits. */
export function fakeId(number: number): string {
  return number.toString(16).padStart(64, '0')
}

export function fakeContainer(number: number, changes: Partial<FakeContainer> = {}): FakeContainer {
  const { name = 'ollama', image = 'ollama/ollama:0.5', labels = {}, inspect = {}, stats = STATS_V1 } = changes
  const id = fakeId(number)
  const own = withFields(INSPECT, { Id: id, Name: `/${name}`, Config: { Image: image, Labels: labels } })
  return { id, name, image, labels, inspect: withFields(own, inspect), stats }
}

export const sendJson = (response: ServerResponse, status: number, json: unknown) => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(json))
}

export async function startFakeDocker(containers: FakeContainer[] = [fakeContainer(1)]): Promise<FakeDocker> {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-docker-'))
  const socket = join(folder, 'docker.sock')
  const history: { readonly line: string; readonly timeNano: bigint }[] = []
  let override: { readonly path: RegExp; readonly handler: Handler } | undefined

  const fake: FakeDocker = {
    socket,
    host: `unix://${socket}`,
    containers,
    asked: [],
    streams: [],
    answer(path, handler = () => undefined) {
      override = path === undefined ? undefined : { path, handler }
    },
    emit(action, id, timeNano) {
      const line = eventLine(action, id, timeNano)
      history.push({ line, timeNano })
      for (const stream of fake.streams.filter(({ isOpen }) => isOpen())) stream.write(line)
      return line
    },
    forget: () => history.splice(0),
    stream: (number) => waitFor(`event stream ${number}`, () => fake.streams[number]),
  }
  const openStream = (url: URL, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const since = BigInt((url.searchParams.get('since') ?? '').replace('.', ''))
    for (const { line, timeNano } of history) if (timeNano >= since) response.write(line)
    fake.streams.push({
      query: url.searchParams,
      write: (bytes) => void response.write(bytes),
      end: () => void response.end(),
      cut: () => void response.destroy(),
      isOpen: () => !response.destroyed && !response.writableEnded,
    })
  }
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://docker')
    fake.asked.push(url.pathname)
    if (override?.path.test(url.pathname)) override.handler(request, response)
    else if (url.pathname === '/events') openStream(url, response)
    else if (url.pathname === '/containers/json') sendJson(response, 200, fake.containers.map(listed))
    else answerAbout(fake.containers, url.pathname, response)
  })
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return fake
}

function answerAbout(containers: readonly FakeContainer[], path: string, response: ServerResponse): void {
  const [, id, what] = /^\/containers\/(\w+)\/(json|stats)$/.exec(path) ?? []
  const container = containers.find((one) => one.id === id)
  if (container === undefined) sendJson(response, 404, { message: 'No such container' })
  else sendJson(response, 200, what === 'json' ? container.inspect : container.stats)
}

function listed({ id, name, image, labels }: FakeContainer): Fields {
  return { Id: id, Names: [`/${name}`], Image: image, Labels: labels, State: 'running' }
}

/** As Docker 20.10 writes it. */
export function eventLine(action: string, id: string, timeNano: bigint): string {
  const actor = `{"ID":"${id}","Attributes":{"image":"x","name":"y","timeNano":"7"}}`
  const names = `"status":"${action}","id":"${id}","from":"x","Type":"container","Action":"${action}"`
  return `{${names},"Actor":${actor},"scope":"local","time":${timeNano / 1_000_000_000n},"timeNano":${timeNano}}\n`
}
