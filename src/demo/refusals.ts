import { taggedModel, type Asked } from './asked.ts'
import { recordingVersions, type Recording } from './recordings.ts'
import { answerBytes, readHead } from './wire.ts'

type Find = (name: string) => Recording | undefined

/** The recording with other text in front of and after its blank line, in one chunk, and the length right. */
function rewritten(recording: Recording, change: (head: string, body: string) => [string, string]): Recording {
  const bytes = answerBytes(recording)
  const length = readHead(bytes)?.length ?? bytes.length
  const [head, body] = change(bytes.toString('latin1', 0, length), bytes.toString('utf8', length))
  const sized = head.replace(/^content-length: *\d+/im, `Content-Length: ${Buffer.byteLength(body)}`)
  const chunk = Buffer.concat([Buffer.from(sized, 'latin1'), Buffer.from(body)])
  const atMs = recording.response.chunks[0]?.atMs ?? 0
  return { ...recording, response: { ...recording.response, chunks: [{ atMs, bytes: chunk }] } }
}

/** Ollama's "model not found" in the shape of the API that was called; undefined where none was recorded. */
export function modelNotFound(asked: Asked, find: Find): Recording | undefined {
  const names: Record<string, string> = {
    '/api/generate': 'err-generate-not-found',
    '/api/show': 'err-show-not-found',
    '/v1/messages': 'err-messages-not-found',
    '/v1/responses': 'err-responses-not-found',
  }
  const family = asked.path.startsWith('/v1/') ? 'err-v1-not-found' : 'err-model-not-found'
  const recording = find(names[asked.operation] ?? family)
  if (recording === undefined) return undefined
  const json = (text: string) => JSON.stringify(text).slice(1, -1)
  return rewritten(recording, (head, body) => [
    head,
    body
      .replace("'nope:latest'", () => `'${json(taggedModel(asked.model))}'`)
      .replace("'nope'", () => `'${json(asked.model)}'`),
  ])
}

/** Ollama's 405, with the methods that the path does take. */
export function methodNotAllowed(allowed: readonly string[], find: Find): Recording | undefined {
  const recording = find('err-method')
  return (
    recording &&
    rewritten(recording, (head, body) => [head.replace(/^Allow: .*$/m, `Allow: ${allowed.join(', ')}`), body])
  )
}

/** What Ollama says to a body that is missing or no JSON object. */
export function badBody(asked: Asked, bodyBytes: number, find: Find): Recording | undefined {
  if (asked.path.startsWith('/v1/')) return find('err-v1-bad-json')
  return find(bodyBytes === 0 ? 'err-no-body' : 'err-bad-json')
}

/** The mistakes of a caller that a recording shows, where this request makes the same one. */
export function mistake(asked: Asked, find: Find): Recording | undefined {
  const { operation, traits } = asked
  const generating = operation === '/api/generate' || operation === '/api/chat'
  const plain = asked.model === 'chat:270m' || asked.model === 'gemma3:270m'
  if (generating && traits.has('bad-option')) return find('err-bad-option')
  if (generating && traits.has('bad-format')) return find('err-bad-format')
  if (operation === '/api/chat' && asked.model === 'chat:270m' && traits.has('tools'))
    return find('err-tools-unsupported')
  if (operation === '/api/chat' && asked.model === 'chat:270m' && traits.has('think')) {
    return find('err-thinking-unsupported')
  }
  if (operation === '/api/embed' && plain) return find('embed-unsupported')
  return undefined
}

/** What Ollama says to the question for a blob that it does not have. */
export function blobUnknown(asked: Asked, find: Find): Recording | undefined {
  if (asked.method !== 'HEAD') return undefined
  return find(/\/sha256[:-][0-9a-f]{64}$/.test(asked.path) ? 'blob-head-missing' : 'blob-head-bad')
}

/** An answer of this stand-in itself: no Ollama said it. */
export function plainAnswer(status: string, body: string): Recording {
  const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`
  return {
    name: `stand-in-${status.slice(0, 3)}`,
    note: 'made by the stand-in',
    ollama: '',
    version: recordingVersions[0],
    request: { method: 'GET', path: '/', headers: {}, body: undefined },
    response: {
      end: 'fin',
      durationMs: 0,
      chunks: [{ atMs: 0, bytes: Buffer.from(`${head}Connection: close\r\n\r\n${body}`) }],
    },
  }
}
