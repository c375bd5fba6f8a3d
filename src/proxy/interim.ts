import { ServerResponse, type IncomingMessage, type InformationEvent } from 'node:http'

/** Node 22 can only write some of them. */
const WRITES_ALL = 'writeInformation' in ServerResponse.prototype

/** Passes a 1xx answer on at once, but for a 100 that the client `wasAsked` with already. */
export function relayInterim(
  info: InformationEvent,
  req: IncomingMessage,
  res: ServerResponse,
  wasAsked: boolean,
): void {
  const { statusCode, rawHeaders } = info
  if (res.headersSent || req.httpVersion === '1.0' || (statusCode === 100 && wasAsked)) return
  try {
    // By any other call Node would not notice that the client was asked, and would close the connection.
    if (statusCode === 100) res.writeContinue()
    else if (WRITES_ALL) res.writeInformation(statusCode, rawHeaders)
    else if (statusCode === 102) res.writeProcessing()
  } catch {
    return // Node reads fields that it refuses to write; an interim answer may be left out, the answer follows
  }
}
