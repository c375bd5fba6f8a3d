import { openRaw, parseMessage } from './raw.ts'
import { recordingNamed } from './stand-in.ts'

/** One of each kind that a proxy meets, by the recording that the stand-in answers with. */
export const LOAD = [
  'root-get',
  'tags',
  'show',
  'generate-stream-warm',
  'generate-json',
  'generate-preload',
  'chat-stream',
  'chat-json',
  'chat-thinking-stream',
  'chat-tools-stream',
  'v1-chat-stream',
  'v1-chat-stream-usage',
  'v1-chat-json',
  'v1-completions-stream-usage',
  'v1-messages-stream',
  'embed',
  'v1-embeddings',
  'pull-progress',
  'err-model-not-found',
  'err-v1-not-found',
  'err-bad-option',
  'err-queue-full',
  'err-method',
  'err-unknown-path',
  'runner-killed-chat',
  'server-killed-mid-stream',
  'client-abort-mid-stream',
] as const

/** Plays it request by request, each when the one before has ended. @returns how many requests that were. */
export async function playLoad(port: number): Promise<number> {
  for (const name of LOAD) await playRecorded(port, name)
  return LOAD.length
}

/** Sends the request of a recording and reads the answer to its end; leaves where the recorder did. */
export async function playRecorded(port: number, name: string): Promise<void> {
  const { request, response, version } = recordingNamed(name)
  const body = request.body ?? ''
  const head = [
    `${request.method} ${request.path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: close',
    `X-Demo-Recording: ${version}/${name}`,
    ...(body === '' ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
  ]
  const client = openRaw(port, `${head.join('\r\n')}\r\n\r\n${body}`)
  if (response.end === 'client_destroyed') {
    // Everything that was recorded has come; the answer would go on, but nobody wants it any more.
    const recorded = parseMessage(Buffer.concat(response.chunks.map(({ bytes }) => bytes))).body
    await client.until((bytes) => bytes.includes('\r\n\r\n') && parseMessage(bytes).body.length >= recorded.length)
    client.socket.destroy()
  }
  await client.ended
}
