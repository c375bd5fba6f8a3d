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
  if (req.httpVersion === '1.0' || (statusCode === 100 && wasAsked)) return
  whenItsTurn(res, () => {
    try {
      // By any other call Node would not notice that the client was asked, and would close the connection.
      if (statusCode === 100) res.writeContinue()
      else if (WRITES_ALL) res.writeInformation(statusCode, rawHeaders)
      else if (statusCode === 102) res.writeProcessing()
    } catch {
      return // Node reads fields that it refuses to write; an interim answer may be left out, the answer follows
    }
  })
}

/** Asks a client for the body of its request, where it waits to be asked. */
export function askForBody(req: IncomingMessage, res: ServerResponse): void {
  if (req.headers.expect === undefined || req.httpVersion === '1.0') return
  whenItsTurn(res, () => res.writeContinue())
}

/** Pipelined, an answer that waits is put together by Node in another order: its head first, then what came before it. */
function whenItsTurn(res: ServerResponse, write: () => void): void {
  const now = () => {
    if (!res.headersSent) write()
  }
  if (res.socket === null) res.once('socket', now)
  else now()
}
