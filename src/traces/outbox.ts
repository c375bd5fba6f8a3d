import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'

/** `ExportResultCode.SUCCESS`, of a package that is not ours to name. */
const SUCCESS = 0

export type SpanResult = 'exported' | 'dropped' | 'failed'

export interface OutboxOptions {
  /** Spans that are held at most, those that are on their way included; more are dropped. */
  readonly size: number
  /** After which spans that were sent are given up, whatever the exporter still does. */
  readonly timeoutMs: number
  readonly count: (result: SpanResult, spans: number) => void
  /** Called when deliveries begin to fail, with why, and when they work again. */
  readonly onChange: (failure: unknown) => void
}

/** Counts what becomes of spans and bounds how many there are, around an exporter and the batches that feed it. */
export class Outbox {
  readonly #options: OutboxOptions
  #held = 0
  #failing = false

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** How many spans nobody has taken yet. */
  get held(): number {
    return this.#held
  }

  /** The processor, with a limit on what it holds. */
  bound(processor: SpanProcessor): SpanProcessor {
    return {
      onStart: (span, context) => processor.onStart(span, context),
      onEnd: (span) => {
        if (this.#held >= this.#options.size) {
          this.#options.count('dropped', 1)
          return
        }
        this.#held += 1
        processor.onEnd(span)
      },
      forceFlush: () => processor.forceFlush(),
      shutdown: () => processor.shutdown(),
    }
  }

  /** The exporter, counted. */
  watch(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans, done) => {
        let settled = false
        const settle = (failure: unknown): void => {
          if (!settled) this.#settle(spans.length, failure)
          settled = true
        }
        // A collector may trickle its answer for ever: its spans are given up then, and what it says later changes nothing.
        const late = setTimeout(() => settle(new Error('no answer in time')), this.#options.timeoutMs)
        exporter.export(spans, (result) => {
          clearTimeout(late)
          const code: number = result.code
          settle(code === SUCCESS ? undefined : (result.error ?? new Error('not taken')))
          done(result)
        })
      },
      shutdown: () => exporter.shutdown(),
    }
  }

  #settle(spans: number, failure: unknown): void {
    this.#held -= spans
    this.#options.count(failure === undefined ? 'exported' : 'failed', spans)
    const failing = failure !== undefined
    if (failing !== this.#failing) this.#options.onChange(failure)
    this.#failing = failing
  }
}
