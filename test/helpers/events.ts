import { onTestFinished } from 'vitest'

export interface ServerSentEvent {
  readonly name: string
  readonly data: unknown
}

export interface Listening {
  readonly response: Response
  /** The next event of this name, or of any; others before it are passed over. Rejects at the end of the stream. */
  readonly next: (name?: string) => Promise<ServerSentEvent>
  /** All events so far, each once. */
  readonly told: readonly ServerSentEvent[]
  /** What stood in `retry:`. */
  readonly retry: () => string | undefined
  /** Whether the server ended it properly; waits for that. */
  readonly ended: () => Promise<boolean>
  readonly leave: () => void
}

/** Listens to server-sent events, until the end of the test at most. */
export async function listenTo(url: string, headers: Record<string, string> = {}): Promise<Listening> {
  const leaving = new AbortController()
  onTestFinished(() => leaving.abort())
  const response = await fetch(url, { headers, signal: leaving.signal })
  const told: ServerSentEvent[] = []
  let retry: string | undefined
  const events = read(response, (milliseconds) => (retry = milliseconds))
  const next = async (name?: string): Promise<ServerSentEvent> => {
    for (;;) {
      const { value, done } = await events.next()
      if (done === true) throw new Error('the stream ended')
      told.push(value)
      if (name === undefined || value.name === name) return value
    }
  }
  return {
    response,
    next,
    told,
    retry: () => retry,
    async ended() {
      try {
        for await (const event of events) told.push(event)
        return true
      } catch {
        return false
      }
    },
    leave: () => leaving.abort(),
  }
}

async function* read(response: Response, onRetry: (value: string) => void): AsyncGenerator<ServerSentEvent, void> {
  let rest = ''
  for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (rest + text).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => [line.split(': ', 1)[0], line.replace(/^\w*: /, '')]))
      const retry = fields.get('retry')
      if (retry !== undefined) onRetry(retry)
      yield { name: fields.get('event') ?? '', data: JSON.parse(fields.get('data') ?? 'null') }
    }
  }
}
