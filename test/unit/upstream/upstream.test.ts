import { describe, expect, it } from 'vitest'
import { NoAnswer } from '../../../src/upstream/get-json.ts'
import { createUpstream, fresh } from '../../../src/upstream/upstream.ts'

interface Question {
  readonly path: string
  readonly signal: AbortSignal
  readonly answer: (json: unknown) => void
  readonly fail: (reason: unknown) => void
}

const INTERVAL = 10_000
const VERSION = { version: '0.24.0' }
const tags = (...names: string[]) => ({ models: names.map((name) => ({ name, digest: 'd' })) })

/** An upstream whose questions wait for the test to answer them, and a clock that the test moves. */
function createAsked() {
  const questions: Question[] = []
  const listed: string[][] = []
  const loaded: (readonly string[] | undefined)[] = []
  const now = { ms: 0 }
  let changes = 0
  let awaits = false
  const upstream = createUpstream({
    intervalMs: INTERVAL,
    now: () => now.ms,
    getJson(path, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      questions.push({ path, signal, answer: resolve, fail: reject })
      return promise
    },
    onLoaded(models, changed) {
      loaded.push(models?.map(({ name }) => name))
      if (changed) changes++
    },
    onInstalled: (models) => listed.push(models.map(({ name }) => name)),
    awaitsLoad: () => awaits,
  })
  const last = (path: string) => {
    const found = questions.findLast((one) => one.path === path)
    if (found === undefined) throw new Error(`nobody asked for ${path}`)
    return found
  }
  /** One look, each question answered so; what has no answer here fails. */
  const look = async (answers: Readonly<Record<string, unknown>>, signal = new AbortController().signal) => {
    const before = questions.length
    const looked = upstream.look(signal)
    for (const question of questions.slice(before)) {
      const answer = answers[question.path]
      if (answer === undefined) question.fail(new NoAnswer('refused', `${question.path}: connection refused`))
      else question.answer(answer)
    }
    await looked
    return questions.slice(before).map(({ path }) => path)
  }
  const good = { '/api/version': VERSION, '/api/tags': tags('a'), '/api/ps': tags('a') }
  return {
    upstream,
    questions,
    listed,
    loaded,
    now,
    look,
    last,
    good,
    changes: () => changes,
    await: (yes: boolean) => (awaits = yes),
  }
}

describe('a look at the upstream', () => {
  it('keeps what each question is answered', async () => {
    const { upstream, look, listed, loaded } = createAsked()
    expect(upstream.state()).toEqual({ version: undefined, installed: undefined, loaded: undefined })
    await look({ '/api/version': VERSION, '/api/tags': tags('a', 'b'), '/api/ps': tags('a') })
    expect(upstream.state()).toMatchObject({
      version: { value: '0.24.0', failure: undefined },
      installed: { value: [{ name: 'a' }, { name: 'b' }], failure: undefined },
      loaded: { value: [{ name: 'a' }], failure: undefined },
    })
    expect(listed).toEqual([['a', 'b']])
    expect(loaded).toEqual([['a']])
  })

  it('tells how long each answer took', async () => {
    const { upstream, last, now } = createAsked()
    const looked = upstream.look(new AbortController().signal)
    now.ms = 250
    last('/api/version').answer(VERSION)
    last('/api/tags').answer(tags())
    await Promise.resolve()
    await Promise.resolve()
    now.ms = 3000
    last('/api/ps').answer(tags())
    await looked
    expect(upstream.state()).toMatchObject({ version: { seconds: 0.25 }, loaded: { seconds: 3 } })
  })

  it('has each answer at once, whichever is slow', async () => {
    const { upstream, last } = createAsked()
    const looked = upstream.look(new AbortController().signal)
    last('/api/tags').answer(tags('a'))
    last('/api/version').answer(VERSION)
    await new Promise((resolve) => setImmediate(resolve))
    expect(upstream.state()).toMatchObject({ version: { value: '0.24.0' }, installed: { value: [{ name: 'a' }] } })
    expect(upstream.state().loaded).toBeUndefined()
    last('/api/ps').answer(tags())
    await looked
  })

  it('asks for /api/tags seldom while it is answered, and each time while it is not', async () => {
    const { look, now, good } = createAsked()
    const asked: boolean[] = []
    for (let round = 0; round < 7; round++, now.ms += INTERVAL) asked.push((await look(good)).includes('/api/tags'))
    expect(asked).toEqual([true, false, false, true, false, false, true])
    now.ms += 3 * INTERVAL
    for (let round = 0; round < 3; round++, now.ms += 1000) {
      expect(await look({ '/api/version': VERSION, '/api/ps': tags() })).toContain('/api/tags')
    }
  })

  it.each([
    ['a reason', new NoAnswer('timeout', 'no answer in time'), { reason: 'timeout', message: 'no answer in time' }],
    ['an error', new Error('boom'), { reason: 'other', message: 'boom' }],
    ['something else', 'odd', { reason: 'other', message: 'odd' }],
  ])('keeps the last answers where the next are %s', async (_what, reason, failure) => {
    const { upstream, questions, look, good, now, loaded, changes } = createAsked()
    await look(good)
    now.ms += 3 * INTERVAL
    const looked = upstream.look(new AbortController().signal)
    for (const question of questions.slice(-3)) question.fail(reason)
    await looked
    expect(upstream.state()).toMatchObject({
      version: { value: '0.24.0', failure },
      installed: { value: [{ name: 'a' }], failure },
      loaded: { value: [{ name: 'a' }], failure },
    })
    expect(fresh(upstream.state().loaded)).toBeUndefined()
    expect(loaded).toEqual([['a'], undefined])
    expect(changes()).toBe(1)
  })

  it('says where an answer is not one of Ollama’s', async () => {
    const { upstream, look, listed } = createAsked()
    await look({ '/api/version': { version: 7 }, '/api/tags': '<html>', '/api/ps': [] })
    const failure = (path: string) => ({
      failure: { reason: 'unknown_answer', message: `the answer to ${path} is not Ollama's` },
    })
    expect(upstream.state()).toMatchObject({
      version: failure('/api/version'),
      installed: failure('/api/tags'),
      loaded: failure('/api/ps'),
    })
    expect(listed).toEqual([])
  })

  it('ends with its signal', () => {
    const { upstream, questions } = createAsked()
    const stop = new AbortController()
    void upstream.look(stop.signal)
    expect(questions.map(({ signal }) => signal.aborted)).toEqual([false, false, false])
    stop.abort()
    expect(questions.map(({ signal }) => signal.aborted)).toEqual([true, true, true])
  })

  it('tells a change of what is loaded, and no answer that says the same', async () => {
    const { look, changes, good } = createAsked()
    const counts: number[] = []
    for (const ps of [tags('a'), tags('a'), tags('a', 'b'), tags('b', 'a'), undefined, tags()]) {
      await look({ ...good, '/api/ps': ps })
      counts.push(changes())
    }
    expect(counts).toEqual([1, 1, 2, 2, 2, 3])
  })
})

describe('the next look', () => {
  it('is an interval away while all is well', async () => {
    const { upstream, look, good } = createAsked()
    await look(good)
    expect(upstream.nextDelayMs()).toBe(INTERVAL)
  })

  it.each(['/api/version', '/api/tags'])('is soon while %s is not answered', async (path) => {
    const { upstream, look, good } = createAsked()
    await look({ ...good, [path]: undefined })
    expect(upstream.nextDelayMs()).toBe(1000)
  })

  it('is not hurried by a blocked /api/ps', async () => {
    const { upstream, look, good } = createAsked()
    await look({ ...good, '/api/ps': undefined })
    expect(upstream.nextDelayMs()).toBe(INTERVAL)
  })

  it('is soon while somebody waits for a model', async () => {
    const asked = createAsked()
    await asked.look(asked.good)
    asked.await(true)
    expect(asked.upstream.nextDelayMs()).toBe(1000)
    asked.await(false)
    expect(asked.upstream.nextDelayMs()).toBe(INTERVAL)
  })
})
