import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ErrorShape } from '../ollama/endpoints.ts'
import type { Verdict } from '../ollama/outcome.ts'
import { answerError, cutClient, reset } from './answer.ts'
import type { ProxyError } from './errors.ts'
import { askForBody } from './interim.ts'

/** The client's side of an exchange: what it gets, and how that ends. */
export class Client {
  /** What the proxy itself decided; the rest is told by what came. */
  verdict: Verdict | undefined
  /** Its answer was cut off: it has no end. */
  cut = false
  /** Of the answer's body. */
  bytes = 0
  readonly #req: IncomingMessage
  readonly #res: ServerResponse

  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req
    this.#res = res
  }

  /** How the exchange ends is settled already. */
  get decided(): boolean {
    return this.cut || this.verdict !== undefined
  }

  /** Nothing more will be written. */
  get over(): boolean {
    return this.decided || this.#res.writableEnded
  }

  /** The head of an answer left. */
  get answered(): boolean {
    return this.#res.headersSent
  }

  /** What it got; 499 where it left before. */
  get status(): number {
    return this.#res.headersSent ? this.#res.statusCode : 499
  }

  /** Its connection ended before the answer was through, and that was its own doing. */
  get left(): boolean {
    return !this.#res.writableFinished && !this.decided
  }

  /** Whether it is its turn to read. Pipelined, the answers before this one come first. */
  get mayRead(): boolean {
    return this.#res.socket !== null
  }

  /** Asks for the body of a request that waits to be asked. */
  askForBody(): void {
    askForBody(this.#req, this.#res)
  }

  /** An answer of the proxy's own, or a cut where there is one already. @param closes whether the connection ends with it */
  refuse(error: ProxyError, shape: ErrorShape, requestId: string, closes: boolean): void {
    this.verdict = error.verdict
    if (this.answered) cutClient(this.#req, this.#res)
    else this.bytes = answerError(this.#req, this.#res, shape, error, requestId, closes)
  }

  /** Ends the connection behind what there is of the answer. */
  cutOff(verdict?: Verdict): void {
    if (verdict === undefined) this.cut = true
    else this.#decide(verdict)
    cutClient(this.#req, this.#res)
  }

  /** Ends the connection at once: it takes nothing. */
  drop(verdict: Verdict): void {
    this.#decide(verdict)
    // An ordinary end would leave to the kernel what the client does not take.
    reset(this.#req.socket)
  }

  #decide(verdict: Verdict): void {
    if (!this.cut) this.verdict ??= verdict
  }
}
