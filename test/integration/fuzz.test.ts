import { beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../helpers/random.ts'
import { draftRequest, textOf } from './fuzz-draft.ts'
import { readConnection } from './fuzz-oracle.ts'
import { planCase } from './fuzz-plan.ts'
import { fuzz, type FuzzReport } from './fuzz-run.ts'

/** Other requests: FUZZ_SEED=7 vitest run test/integration/fuzz.test.ts; far more of them: node bench/fuzz.ts */
const SEED = Number(process.env.FUZZ_SEED ?? 20261121)
const COUNT = Number(process.env.FUZZ_COUNT ?? 1000)
const FROM = Number(process.env.FUZZ_FROM ?? 0)

const indices = Array.from({ length: 500 }, (_, index) => index)
const H = 'Host: x\r\n'
const P = `POST /p HTTP/1.1\r\n${H}`

describe('the strict reader', () => {
  it.each([
    ['no version', `GET /\r\n${H}\r\n`],
    ['a version of later', `GET / HTTP/2.0\r\n${H}\r\n`],
    ['a bare line feed', `GET / HTTP/1.1\n${H}\r\n`],
    ['a bare line feed at the end', `GET / HTTP/1.1\r\n${H}\n`],
    ['a bare carriage return', `GET / HTTP/1.1\r\nX: a\rb\r\n\r\n`],
    ['a folded line', `GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n`],
    ['a space before the colon', `GET / HTTP/1.1\r\nX : a\r\n\r\n`],
    ['a name that is none', `GET / HTTP/1.1\r\nX\x00: a\r\n\r\n`],
    ['a null byte', `GET / HTTP/1.1\r\nX: \x00\r\n\r\n`],
    ['a byte above ASCII in the target', `GET /\xe9 HTTP/1.1\r\n${H}\r\n`],
    ['both framings', `${P}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two lengths', `${P}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`],
    ['a list of lengths', `${P}Content-Length: 2, 2\r\n\r\n{}`],
    ['a length with a sign', `${P}Content-Length: +2\r\n\r\n{}`],
    ['two codings', `${P}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['another coding', `${P}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ['a vertical tab in a coding', `${P}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
    ['a coding in HTTP/1.0', `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a chunk size with 0x', `${P}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n`],
    ['a chunk size with a space', `${P}Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n`],
    ['a chunk that is too long', `${P}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`],
    ['a line feed in a chunk extension', `${P}Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n`],
    ['a length in a trailer', `${P}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n`],
  ])('refuses %s', (_title, text) => {
    const { requests, tail } = readConnection(Buffer.from(text, 'latin1'))
    expect(requests).toEqual([])
    expect(tail.kind).toBe('broken')
  })

  it('reads valid requests as they were meant, one after the other', () => {
    for (const index of indices) {
      const random = createRandom(index)
      const drafts = [0, 1, 2].map((at) => draftRequest(random, `${index}.${at}`, at === 2))
      const { requests, tail } = readConnection(Buffer.from(drafts.map(textOf).join(''), 'latin1'))
      expect(tail).toMatchObject({ kind: expect.stringMatching(/^(clean|closed)$/) as string })
      expect(requests.map(({ method, target, body }) => [method, target, body.toString('latin1')])).toEqual(
        drafts.map(({ method, target, content }) => [method, target, content]),
      )
    }
  })

  it('takes nothing in a body for a request', () => {
    const sealed = indices.map((index) => planCase(SEED, index)).filter((one) => one.sealed)
    const hiding = sealed.filter(({ bytes }) => bytes.includes('GET /inside/'))
    expect(hiding.length).toBeGreaterThan(20)
    const targets = sealed.flatMap(({ bytes }) => readConnection(bytes).requests.map(({ target }) => target))
    expect(targets.filter((target) => target.startsWith('/inside/'))).toEqual([])
  })
})

it('cases are the same for the same seed', () => {
  const plan = (seed: number) => indices.map((index) => planCase(seed, index))
  expect(plan(SEED)).toEqual(plan(SEED))
  expect(plan(SEED + 1)).not.toEqual(plan(SEED))
})

describe(`after ${COUNT} connections of raw requests (FUZZ_SEED=${SEED})`, () => {
  let report: FuzzReport

  beforeAll(async () => {
    report = await fuzz(SEED, COUNT, FROM)
  }, 300_000)

  it('nothing is wrong', () => {
    expect(report.findings.slice(0, 10).join('\n\n')).toBe('')
  })

  it.runIf(COUNT >= 1000)('enough has happened', () => {
    expect(report.seen).toBeGreaterThan(COUNT)
    expect(report.receipts).toBeGreaterThan(report.seen)
    for (const status of ['own 400', 'own 431', 'own 501', '103', '200', '204', '304', '413']) {
      expect(report.statuses[status] ?? 0, status).toBeGreaterThan(0)
    }
  })
})
