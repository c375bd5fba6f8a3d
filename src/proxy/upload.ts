import type { ClientRequest, IncomingMessage } from 'node:http'
import { pairs } from './headers.ts'

/** Pumps a request's body to the upstream as it comes, no faster than the upstream takes it. */
export function pumpUpload(
  req: IncomingMessage,
  upstreamReq: ClientRequest,
  onBytes: (bytes: Buffer) => void,
  onEnd: () => void,
): void {
  let began = false
  req.on('data', (bytes: Buffer) => {
    began = true
    if (!upstreamReq.destroyed && !upstreamReq.write(bytes)) req.pause()
    onBytes(bytes)
  })
  req.on('end', () => {
    if (req.rawTrailers.length > 0) upstreamReq.addTrailers(pairs(req.rawTrailers))
    upstreamReq.end()
    onEnd()
  })
  upstreamReq.on('drain', () => req.resume())
  // The head leaves with the first bytes of the body if they are here already, and alone if they are not.
  setImmediate(() => {
    if (!began && !upstreamReq.destroyed) upstreamReq.flushHeaders()
  })
}
