import { expect, it, vi } from 'vitest'
import { Outbox, type SpanResult } from '../../../src/traces/outbox.ts'

type Span = Parameters<ReturnType<Outbox['bound']>['onEnd']>[0]
type Exporter = Parameters<Outbox['watch']>[0]
type Done = Parameters<Exporter['export']>[1]
/** As a number is the code of a result on its way, without the enum that it has. */
type Answer = (result: { readonly code: number; readonly error?: Error }) => void

/** An outbox of three spans, whose exporter answers when the test says so. */
function outboxOf(timeoutMs = 60_000) {
  const counted: [SpanResult, number][] = []
  const changes: unknown[] = []
  const asked: Answer[] = []
  const kept: Span[] = []
  const outbox = new Outbox({
    size: 3,
    timeoutMs,
    count: (result, spans) => counted.push([result, spans]),
    onChange: (failure) => changes.push(failure),
  })
  const nothing = () => Promise.resolve()
  const processor = outbox.bound({
    onStart: () => undefined,
    onEnd: (span) => kept.push(span),
    forceFlush: nothing,
    shutdown: nothing,
  })
  const exporter = outbox.watch({ export: (_spans, done) => asked.push(done), shutdown: nothing })
  return {
    outbox,
    counted,
    changes,
    asked,
    kept,
    end: (count: number) => Array.from({ length: count }, () => processor.onEnd({} as Span)),
    send: (told: Done = () => undefined) => exporter.export(kept.splice(0), told),
  }
}

const result = (code: number, message?: string) => ({
  code,
  ...(message !== undefined && { error: new Error(message) }),
})
const done = result(0)
const failed = (message?: string) => result(1, message)

it('holds so many spans, those on their way included, and counts what it drops', () => {
  const { outbox, end, send, asked, kept, counted } = outboxOf()
  end(2)
  send()
  end(3)
  expect(kept).toHaveLength(1)
  expect(outbox.held).toBe(3)
  expect(counted).toEqual([
    ['dropped', 1],
    ['dropped', 1],
  ])
  asked[0]?.(done)
  expect(outbox.held).toBe(1)
  expect(counted.at(-1)).toEqual(['exported', 2])
  end(2)
  expect(kept).toHaveLength(3)
})

it('tells that it begins to fail, and that it works again, once each', () => {
  const { end, send, asked, counted, changes, outbox } = outboxOf()
  const results = [done, failed('first'), failed('second'), failed(), done, done]
  for (const [index, one] of results.entries()) {
    end(1)
    send()
    asked[index]?.(one)
  }
  expect(changes).toEqual([new Error('first'), undefined])
  expect(counted.map(([what]) => what)).toEqual(['exported', 'failed', 'failed', 'failed', 'exported', 'exported'])
  expect(outbox.held).toBe(0)
})

it('tells the batches what became of them', () => {
  const { end, send, asked } = outboxOf()
  const told: unknown[] = []
  end(1)
  send((one) => told.push(one))
  asked[0]?.(failed('x'))
  expect(told).toEqual([failed('x')])
})

it('gives spans up whose answer never ends, and counts them once', () => {
  vi.useFakeTimers()
  const { outbox, end, send, asked, counted, changes } = outboxOf(1000)
  end(3)
  send()
  vi.advanceTimersByTime(999)
  expect(counted).toEqual([])
  vi.advanceTimersByTime(1)
  expect(counted).toEqual([['failed', 3]])
  expect(outbox.held).toBe(0)
  asked[0]?.(done)
  expect(counted).toEqual([['failed', 3]])
  expect(changes).toEqual([new Error('no answer in time')])
  vi.useRealTimers()
})
