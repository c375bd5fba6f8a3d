import { recordingHeader } from '../../src/demo/pick.ts'
import type { Recording } from '../../src/demo/recordings.ts'

/**
 * The recorded request, byte for byte, and the header that asks for its recording.
 * @param upload stands for a body that was too large to be recorded
 */
export function recordedRequest({ name, version, request }: Recording, upload: Buffer): Buffer {
  const lines = Object.entries({ ...request.headers, [recordingHeader]: `${version}/${name}` })
  const head = `${request.method} ${request.path} HTTP/1.1\r\n${lines.map(([key, value]) => `${key}: ${value}\r\n`).join('')}\r\n`
  const random = request.body === undefined && Number(request.headers['Content-Length'] ?? 0) > 0
  return Buffer.concat([Buffer.from(head, 'latin1'), random ? upload : Buffer.from(request.body ?? '')])
}
