import * as crypto from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createGate } from '../../../src/access/gate.ts'
import type { Admission } from '../../../src/proxy/admission.ts'
import { createRandom } from '../../helpers/random.ts'
import { asked, OPEN, status, token } from './rules.ts'

vi.mock(import('node:crypto'), { spy: true })

const TOKENS = [token('ann', 'alpha'), token('bob', 'beta'), token('zoë', 'schlüssel')]

function ask(rawHeaders: readonly string[], tokens = TOKENS, method = 'GET'): Admission {
  return createGate({ ...OPEN, tokens }, () => 0, '').admit(asked(rawHeaders, method))
}

describe('a token', () => {
  it.each([
    ['Authorization', 'Bearer alpha', 'ann'],
    ['authorization', 'bearer beta', 'bob'],
    ['AUTHORIZATION', 'BEARER   beta', 'bob'],
    ['x-api-key', 'alpha', 'ann'],
    ['X-Api-Key', 'beta', 'bob'],
    // Node gives the bytes of a header as Latin-1.
    ['x-api-key', Buffer.from('schlüssel').toString('latin1'), 'zoë'],
  ])('in %s: %s is that of %s', (name, value, client) => expect(ask([name, value])).toEqual({ client }))

  it.each([
    [[]],
    [['Authorization', '']],
    [['Authorization', 'Bearer']],
    [['Authorization', 'Bearer ']],
    [['Authorization', 'Bearer\talpha']],
    [['Authorization', 'alpha']],
    [['Authorization', 'Basic alpha']],
    [['Authorization', 'Bearer Alpha']],
    [['Authorization', 'Bearer alpha ']],
    [['Authorization', 'Bearer alph']],
    [['Authorization', 'Bearer alphab']],
    [['Authorization', 'Bearer alpha, Bearer beta']],
    [['Authorization', 'Bearer "alpha"']],
    [['Authorization', `Bearer ${TOKENS[0]?.sha256 ?? ''}`]],
    [['x-api-key', '']],
    [['x-api-key', 'Bearer alpha']],
    [['x-api-key', ' alpha']],
    [['x-api-token', 'alpha']],
    [['Cookie', 'alpha']],
    [['Proxy-Authorization', 'Bearer alpha']],
    [['Authorization', 'Bearer alpha', 'Authorization', 'Bearer alpha']],
    [['Authorization', 'Bearer alpha', 'authorization', 'Basic x']],
    [['Authorization', '', 'authorization', 'Bearer alpha']],
    [['x-api-key', 'alpha', 'X-API-Key', 'alpha']],
    [['Authorization', 'Bearer alpha', 'x-api-key', 'beta', 'X-API-Key', 'beta']],
    [['Authorization', 'Bearer alpha', 'x-api-key', 'beta', 'Authorization', 'Bearer alpha']],
    [['Authorization', 'Bearer x', 'x-api-key', 'y']],
  ])('is not in %j', (rawHeaders) => {
    expect(ask(rawHeaders)).toEqual({
      client: undefined,
      denial: {
        status: 401,
        message: 'ollascope: this needs a valid token; send "Authorization: Bearer TOKEN" or "x-api-key: TOKEN", once',
        verdict: { outcome: 'denied', errorType: 'unauthorized' },
        headers: ['WWW-Authenticate', 'Bearer realm="ollascope"'],
      },
    })
  })

  it.each([
    [['Authorization', 'Bearer alpha', 'x-api-key', 'wrong'], 'ann'],
    [['Authorization', 'Bearer wrong', 'x-api-key', 'beta'], 'bob'],
    [['Authorization', 'Basic wrong', 'x-api-key', 'beta'], 'bob'],
    [['x-api-key', 'beta', 'Authorization', 'Bearer alpha'], 'ann'],
  ])('suffices once in %j', (rawHeaders, client) => expect(ask(rawHeaders)).toEqual({ client }))

  it.each(['OPTIONS', 'HEAD', 'POST', 'get'])('is needed for %s too', (method) => {
    expect(status(ask([], TOKENS, method))).toBe(401)
    expect(status(ask(['x-api-key', 'alpha'], TOKENS, method))).toBe(0)
  })

  it('is needed by nobody where none is set, and had by nobody where the list is empty', () => {
    for (const rawHeaders of [[], ['Authorization', 'Bearer x', 'Authorization', 'Bearer y']]) {
      expect(createGate(OPEN, () => 0, '').admit(asked(rawHeaders))).toEqual({ client: undefined })
    }
    expect(status(ask(['x-api-key', 'alpha'], []))).toBe(401)
  })

  it('is never an empty one, even where somebody hashed that', () => {
    const empty = [token('nobody', '')]
    expect(status(ask(['x-api-key', ''], empty))).toBe(401)
    expect(status(ask(['Authorization', 'Bearer '], empty))).toBe(401)
  })

  it('may be 4,096 bytes long', () => {
    const long = [token('long', 'x'.repeat(4096)), token('longer', 'x'.repeat(4097))]
    expect(ask(['x-api-key', 'x'.repeat(4096)], long)).toEqual({ client: 'long' })
    expect(status(ask(['x-api-key', 'x'.repeat(4097)], long))).toBe(401)
  })

  it('is found among many, and nothing else is', () => {
    const random = createRandom(11)
    const text = () => Array.from({ length: 1 + random.below(40) }, () => random.below(36).toString(36)).join('')
    for (let round = 0; round < 100; round++) {
      const texts = [...new Set(Array.from({ length: random.below(30) }, text))]
      const tokens = texts.map((secret, index) => token(`name-${index}`, secret))
      const { admit } = createGate({ ...OPEN, tokens }, () => 0, '')
      for (const [index, secret] of texts.entries()) {
        expect(admit(asked(['x-api-key', secret]))).toEqual({ client: `name-${index}` })
      }
      for (let i = 0; i < 10; i++) {
        const other = text()
        expect(status(admit(asked(['Authorization', `Bearer ${other}`])))).toBe(texts.includes(other) ? 0 : 401)
      }
    }
  })
})

describe('the work for a token', () => {
  beforeEach(() => vi.clearAllMocks())

  it.each(['alpha', 'beta', 'wrong'])('of %s is a comparison with every hash', (secret) => {
    ask(['x-api-key', secret])
    expect(crypto.timingSafeEqual).toHaveBeenCalledTimes(TOKENS.length)
  })

  it('is none for one that is too long', () => {
    const { admit } = createGate({ ...OPEN, tokens: TOKENS }, () => 0, '')
    admit(asked(['x-api-key', 'x'.repeat(4097), 'Authorization', `Bearer ${'y'.repeat(100_000)}`]))
    expect(crypto.createHash).not.toHaveBeenCalled()
    admit(asked(['x-api-key', 'x']))
    expect(crypto.createHash).toHaveBeenCalledOnce()
  })
})

describe('setTokens', () => {
  it('replaces, takes away and brings back', () => {
    const gate = createGate({ ...OPEN, tokens: TOKENS }, () => 0, '')
    const statuses = () => ['alpha', 'gamma'].map((secret) => status(gate.admit(asked(['x-api-key', secret]))))
    expect(statuses()).toEqual([0, 401])
    gate.setTokens([token('cid', 'gamma')])
    expect(statuses()).toEqual([401, 0])
    gate.setTokens([])
    expect(statuses()).toEqual([401, 401])
    gate.setTokens(undefined)
    expect(statuses()).toEqual([0, 0])
    gate.setTokens(TOKENS)
    expect(statuses()).toEqual([0, 401])
  })

  it.each(['', 'ab', 'z'.repeat(64), 'a'.repeat(66)])('refuses the hash %j and keeps what it had', (sha256) => {
    const gate = createGate({ ...OPEN, tokens: TOKENS }, () => 0, '')
    expect(() => gate.setTokens([token('cid', 'gamma'), { name: 'bad', sha256 }])).toThrow(
      'the hash of the token bad is no sha256',
    )
    expect(gate.admit(asked(['x-api-key', 'alpha']))).toEqual({ client: 'ann' })
    expect(status(gate.admit(asked(['x-api-key', 'gamma'])))).toBe(401)
  })
})

it('names the fields that carry a token, where tokens are set', () => {
  const gate = createGate(OPEN, () => 0, '')
  expect([...gate.credentialHeaders()]).toEqual([])
  gate.setTokens([])
  expect([...gate.credentialHeaders()].sort()).toEqual(['authorization', 'x-api-key'])
  gate.setTokens(undefined)
  expect([...gate.credentialHeaders()]).toEqual([])
})
