import type { Asked } from './asked.ts'
import type { Recording } from './recordings.ts'
import { answerBytes, readHead } from './wire.ts'

// Healthy on the wire, and yet not what an ordinary request should meet.
const scenes = ['slot-waited', 'generate-stream-cold', 'chat-truncated-context', 'tags-empty', 'ps-empty']

/** The last thing that a whole answer says; undefined where the route has no such mark. */
function terminalMark(asked: Asked): string | undefined {
  switch (asked.operation) {
    case '/api/generate':
    case '/api/chat':
      return '"done":true'
    case '/v1/chat/completions':
    case '/v1/completions':
      return asked.stream ? 'data: [DONE]' : undefined
    case '/v1/responses':
      return asked.stream ? '"type":"response.completed"' : undefined
    case '/v1/messages':
      return asked.stream ? '"type":"message_stop"' : undefined
    default:
      return undefined
  }
}

/**
 * Whether a recording is what a healthy Ollama answers to an ordinary request.
 *
 * The others are scenes: a mistake, a dead runner, a server that went away, a client that left, a wait for a slot. They
 * play for the request that was recorded, or by name.
 */
export function isOrdinary(recording: Recording, asked: Asked): boolean {
  if (recording.response.end !== 'fin' || scenes.includes(recording.name)) return false
  const bytes = answerBytes(recording)
  const status = readHead(bytes)?.status
  if (status === undefined || status >= 300 || bytes.includes('{"error":')) return false
  const mark = terminalMark(asked)
  return mark === undefined || bytes.includes(mark)
}
