import type { IncomingMessage, InformationEvent, ServerResponse } from 'node:http'
import { asObject } from './headers.ts'

/** Passes a 1xx answer on at once; one of them asks a waiting client for its body, unless it `wasAsked` for it already. */
export function relayInterim(
  info: InformationEvent,
  req: IncomingMessage,
  res: ServerResponse,
  wasAsked: boolean,
): void {
  if (res.headersSent || req.httpVersion === '1.0') return
  if (info.statusCode === 100 && req.headers.expect !== undefined && !wasAsked) res.writeContinue()
  else if (info.statusCode === 102) res.writeProcessing()
  else if (info.statusCode === 103) writeHints(res, info.rawHeaders)
}

function writeHints(res: ServerResponse, raw: readonly string[]): void {
  try {
    // Node looks for `link` in lower case, and sends nothing without it.
    res.writeEarlyHints(asObject(raw.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))))
  } catch {
    return // Node refuses some Link values; a hint may be left out, the answer follows
  }
}
