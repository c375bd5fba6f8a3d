import { describe, expect, it } from 'vitest'
import { createGate, type AccessRules } from '../../../src/access/gate.ts'
import { loadRecordings } from '../../../src/demo/recordings.ts'
import { createRandom } from '../../helpers/random.ts'
import { asked, OPEN, status, token } from './rules.ts'

describe("Ollama's own rules", () => {
  it.each(loadRecordings().map((recording) => [`${recording.version}/${recording.name}`, recording] as const))(
    'decide %s as it did',
    (_, { request, response }) => {
      const answer = Buffer.concat(response.chunks.map(({ bytes }) => bytes)).toString('latin1')
      const { admit } = createGate({ ...OPEN, allowedHosts: 'ollama', allowedOrigins: 'ollama' }, () => 0, '')
      const head = asked(Object.entries(request.headers).flat(), request.method, request.path)
      expect(status(admit(head))).toBe(answer.startsWith('HTTP/1.1 403 ') ? 403 : 0)
    },
  )

  it('were recorded refusing', () => {
    const refused = loadRecordings().filter(({ response }) => response.chunks[0]?.bytes.includes(' 403 Forbidden'))
    expect(refused.map(({ name }) => name).sort()).toEqual([
      'host-refused',
      'host-refused',
      'origin-refused',
      'origin-refused',
    ])
  })
})

const STRICT: AccessRules = {
  policy: 'inference-only',
  tokens: [token('ann', 'alpha'), token('bob', 'beta')],
  trustedProxies: ['10.0.0.0/8'],
  allowedHosts: ['good'],
  allowedOrigins: ['http://good'],
  requestsPerMinute: 1,
}

it('asks for Host, Origin, token, policy and rate, in this order', () => {
  const { admit } = createGate(STRICT, () => 0, '')
  const fields = ['Host', 'bad', 'Origin', 'http://bad', 'x-api-key', 'bad']
  const ask = (target = '/api/delete') => {
    const admission = admit(asked(fields, 'GET', target))
    const error = 'denial' in admission ? admission.denial.verdict.errorType : 'admitted'
    return [status(admission), admission.client, error]
  }
  expect(ask()).toEqual([421, undefined, 'forbidden'])
  fields[1] = 'good'
  expect(ask()).toEqual([403, undefined, 'forbidden'])
  fields[3] = 'http://good'
  expect(ask()).toEqual([401, undefined, 'unauthorized'])
  fields[5] = 'alpha'
  expect(ask()).toEqual([403, 'ann', 'forbidden'])
  expect(ask('/')).toEqual([0, 'ann', 'admitted']) // what was refused before did not count
  expect(ask()).toEqual([403, 'ann', 'forbidden'])
  expect(ask('/')).toEqual([429, 'ann', 'rate_limited'])
})

describe('the rate', () => {
  it('is that of a token, wherever it comes from', () => {
    const { admit } = createGate({ ...STRICT, allowedHosts: 'any' }, () => 0, '')
    const from = (peer: string, secret: string) => status(admit({ ...asked(['x-api-key', secret]), peer }))
    expect([from('192.0.2.1', 'alpha'), from('192.0.2.2', 'alpha')]).toEqual([0, 429])
    expect([from('192.0.2.1', 'beta'), from('192.0.2.2', 'beta')]).toEqual([0, 429])
  })

  it('is that of an address where nobody has a token', () => {
    const rules = { ...OPEN, trustedProxies: ['10.0.0.0/8'], requestsPerMinute: 1 }
    const { admit } = createGate(rules, () => 0, '')
    const from = (peer: string, ...forwardedFor: string[]) =>
      status(admit({ ...asked(forwardedFor.flatMap((value) => ['x-forwarded-FOR', value])), peer }))
    expect([from('192.0.2.1'), from('::ffff:192.0.2.1'), from('192.0.2.2')]).toEqual([0, 429, 0])
    expect(from('192.0.2.1', '198.51.100.1')).toBe(429)
    expect([from('10.0.0.1', '198.51.100.1'), from('10.0.0.2', 'x', '198.51.100.1')]).toEqual([0, 429])
    expect([from('2001:db8::1'), from('2001:db8::2'), from('2001:db8:0:1::1')]).toEqual([0, 429, 0])
  })

  it('says when to come back', () => {
    let nowMs = 0
    const { admit } = createGate({ ...OPEN, requestsPerMinute: 2 }, () => nowMs, '')
    expect(admit(asked([]))).toEqual({ client: undefined })
    nowMs = 1_500
    expect(admit(asked([]))).toEqual({ client: undefined })
    expect(admit(asked([]))).toEqual({
      client: undefined,
      denial: {
        status: 429,
        message: 'ollascope: more than 2 requests in a minute (OLLASCOPE_MAX_REQUESTS_PER_MINUTE); try again in 59 s',
        verdict: { outcome: 'denied', errorType: 'rate_limited' },
        headers: ['Retry-After', '59'],
      },
    })
  })
})

it('never throws, and never repeats what it was sent', () => {
  const random = createRandom(29)
  const gates = (['any', 'ollama', ['good']] as const).map((allowed) =>
    createGate({ ...STRICT, allowedHosts: allowed, allowedOrigins: allowed === 'any' ? 'any' : 'ollama' }, () => 0, ''),
  )
  const names = [
    'Host',
    'Origin',
    'Authorization',
    'x-api-key',
    'X-Forwarded-For',
    'X-HTTP-Method',
    '__proto__',
  ] as const
  const parts = [
    'canary',
    'Bearer ',
    'http://',
    '[',
    ']',
    '::1',
    ':',
    '.',
    '%',
    '\u0000',
    ' ',
    '\u00ff',
    'local',
    '1',
  ] as const
  const text = () => Array.from({ length: random.below(6) }, () => random.pick(parts)).join('')
  for (let i = 0; i < 5_000; i++) {
    const rawHeaders = Array.from({ length: random.below(8) }, () => [random.pick(names), text()]).flat()
    const peer = random.chance(0.5) ? '10.0.0.1' : text()
    for (const { admit } of gates) {
      const admission = admit({ method: text(), target: text(), rawHeaders, peer })
      expect(JSON.stringify(admission)).not.toContain('canary')
    }
  }
})
