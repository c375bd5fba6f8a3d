import { describe, expect, it } from 'vitest'
import { createGate, type AccessRules } from '../../../src/access/gate.ts'
import { ENDPOINT_LABELS } from '../../../src/ollama/endpoints.ts'
import { asked, OPEN, status } from './rules.ts'

type Policy = AccessRules['policy']

const DIGEST = `sha256:${'0a'.repeat(32)}`

/** What each method of a route needs, by hand: the truth that the route table is held against. */
const ROUTES: readonly (readonly [label: string, path: string, Readonly<Partial<Record<string, Policy>>>])[] = [
  ...['/', '/api/version', '/api/tags', '/api/ps', '/v1/models'].map((path) => route('GET', path, 'inference-only')),
  ...[
    '/api/show',
    '/api/generate',
    '/api/chat',
    '/api/embed',
    '/api/embeddings',
    '/v1/chat/completions',
    '/v1/completions',
    '/v1/responses',
    '/v1/messages',
    '/v1/embeddings',
    '/v1/audio/transcriptions',
  ].map((path) => route('POST', path, 'inference-only')),
  ['/v1/models/:model', '/v1/models/llama3.2:1b', route('GET', '', 'inference-only')[2]],
  ...['/api/status', '/api/experimental/model-recommendations'].map((path) => route('GET', path, 'read-only')),
  ...['/api/me', '/api/experimental/web_search', '/api/experimental/web_fetch'].map((path) =>
    route('POST', path, 'read-only'),
  ),
  ['/api/blobs/:digest', `/api/blobs/${DIGEST}`, { POST: 'full', OPTIONS: 'full', HEAD: 'read-only' }],
  ...['/api/create', '/api/copy', '/api/push', '/api/pull', '/api/signout'].map((path) => route('POST', path, 'full')),
  route('DELETE', '/api/delete', 'full'),
  ['/api/user/keys/:key', '/api/user/keys/abc', route('DELETE', '', 'full')[2]],
]

function route(method: string, path: string, policy: Policy): (typeof ROUTES)[number] {
  return [path, path, { [method]: policy, OPTIONS: policy, ...(method === 'GET' && { HEAD: policy }) }]
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'get', 'Post', '']
const RANK: Record<Policy, number> = { full: 0, 'read-only': 1, 'inference-only': 2 }
const POLICIES = ['full', 'read-only', 'inference-only'] as const

/** Other ways to write the same. */
const SAME: readonly ((path: string) => string)[] = [
  (path) => path,
  (path) => `${path}?`,
  (path) => `${path}?x=/api/delete&y=%2e%2e;#`,
  (path) => `${path}?a?b`,
  (path) => `http://127.0.0.1:11434${path}`,
  (path) => `HTTPS://evil.example${path}?x`,
  (path) => `http://me@host${path}`,
]

/** Ways to write what may be read as the same path. */
const TRICKS: readonly ((path: string) => string)[] = [
  (path) => `/${path}`,
  (path) => `${path}/`,
  (path) => `${path}//`,
  (path) => `/.${path}`,
  (path) => `${path}/.`,
  (path) => `/x/..${path}`,
  (path) => `${path}/../x`,
  (path) => `${path}/..`,
  (path) => `${path};`,
  (path) => `${path};x=1`,
  (path) => `/;${path}`,
  (path) => `${path}#`,
  (path) => `${path}#x`,
  (path) => `${path}%`,
  (path) => `${path}%zz`,
  (path) => `${path}%2f`,
  (path) => `${path}%00`,
  (path) => `${path}%0a`,
  (path) => `${path}%23%5c`,
  (path) => `${path}\\`,
  (path) => `${path} `,
  (path) => `${path}\t`,
  (path) => `${path}\u00e9`,
  (path) => path.replaceAll('/', '\\'),
  (path) => path.replaceAll('/', '//'),
  (path) => path.replaceAll('/', '%2F'),
  (path) => path.replaceAll('/', '/./'),
  (path) => `/%61pi/..${path}`,
  (path) => `http://host/${path}`,
  (path) => `http:/${path}`,
  (path) => `ftp://host${path}`,
  (path) => `//host${path}`,
  (path) => `host${path}`,
  (path) => `http://host#${path}`,
  (path) => `http://host?${path}`,
  (path) => path.slice(1),
  () => '*',
  () => 'unknown',
  () => '/unknown',
]

/** Ways to write letters of a path, apart from those of a variable segment. */
const LETTER_TRICKS: readonly ((path: string) => string)[] = [
  (path) => path.toUpperCase(),
  (path) => path.replace(/[a-z]/, (letter) => letter.toUpperCase()),
  (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  (path) => path.replace(/[a-z](?=\/|$)/, (letter) => `%25${letter.charCodeAt(0).toString(16)}`),
  (path) => path.replace(/(?<=[a-z])\//, '%2f'),
]

/** Every method and target that a gate lets through, of those. */
function admitted(policy: Policy, targets: readonly string[], methods: readonly string[] = METHODS): string[] {
  const { admit } = createGate({ ...OPEN, policy }, () => 0, '')
  return targets.flatMap((target) =>
    methods.filter((method) => status(admit(asked([], method, target))) === 0).map((method) => `${method} ${target}`),
  )
}

it('knows every route there is', () => {
  expect(ROUTES.map(([label]) => label).sort()).toEqual(ENDPOINT_LABELS.filter((label) => label !== 'unknown').sort())
})

describe.each(['read-only', 'inference-only'] as const)('%s', (policy) => {
  it.each(ROUTES)('of %s lets through the methods that it should', (_, path, needs) => {
    const methods = METHODS.filter((method) => RANK[needs[method] ?? 'full'] >= RANK[policy])
    const targets = SAME.map((write) => write(path))
    expect(admitted(policy, targets)).toEqual(
      targets.flatMap((target) => methods.map((method) => `${method} ${target}`)),
    )
  })

  it.each(ROUTES)('of %s is not tricked by another spelling', (_, path) => {
    const plain = ['', 'http://', ...ROUTES.map(([, other]) => other)] // no path is that of /
    const targets = TRICKS.map((write) => write(path)).filter((target) => !plain.includes(target))
    expect(targets.length).toBeGreaterThan(TRICKS.length / 2)
    const [, beforeVariable = path, variable = ''] =
      /^(\/v1\/models\/|\/api\/blobs\/|\/api\/user\/keys\/)(.*)$/.exec(path) ?? []
    const letters = LETTER_TRICKS.map((write) => write(beforeVariable) + variable).filter((target) => target !== path)
    expect(admitted(policy, [...targets, ...letters])).toEqual([])
  })

  it.each([
    'llama3',
    'a%20b',
    '%6clama3',
    'me%3Ax',
    'a@b',
    '%E2%82%AC',
    '...',
    '.a',
    'a..b',
    '%252F',
    'a%3Bb',
    "~!$&'()*+,=",
  ])('takes the name %s in a path', (name) =>
    expect(admitted(policy, [`/v1/models/${name}`])).toEqual(
      ['GET', 'HEAD', 'OPTIONS'].map((method) => `${method} /v1/models/${name}`),
    ),
  )

  it.each([
    '',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '.%2e',
    'a/b',
    'a%2Fb',
    '%2f',
    'a\\b',
    'a%5Cb',
    'a%00',
    'a%0d%0aX',
    'a%7f',
    'a%C2%85',
    'a%',
    'a%2',
    'a%zz',
    '%ff',
    '%c0%af',
    'a;b',
    'a#b',
    'a b',
    'a"b',
    'a<b',
    '\u00e9',
    '..%2fapi%2fdelete',
  ])('does not take the name %j in a path', (name) => {
    expect(admitted(policy, [`/v1/models/${name}`, `/api/blobs/${name}`])).toEqual([])
  })

  it.each(['X-HTTP-Method-Override', 'x-http-method', 'X-Method-Override'])('refuses %s', (name) => {
    const { admit } = createGate({ ...OPEN, policy }, () => 0, '')
    expect(status(admit(asked([name, 'DELETE'])))).toBe(403)
    expect(status(admit(asked([name, ''])))).toBe(403)
    expect(status(admit(asked(['X-Other', name])))).toBe(0)
  })

  it('says which policy it is', () => {
    const { admit } = createGate({ ...OPEN, policy }, () => 0, '')
    expect(admit(asked([], 'DELETE', '/api/delete'))).toMatchObject({
      client: undefined,
      denial: {
        status: 403,
        message: `ollascope: this method and path are not served under OLLASCOPE_POLICY=${policy}; use another API, or a wider policy`,
        verdict: { outcome: 'denied', errorType: 'forbidden' },
      },
    })
  })
})

it('full lets through whatever it is', () => {
  const targets = ROUTES.flatMap(([, path]) => [...SAME, ...TRICKS, ...LETTER_TRICKS].map((write) => write(path)))
  expect(admitted('full', targets)).toHaveLength(targets.length * METHODS.length)
  const { admit } = createGate(OPEN, () => 0, '')
  expect(status(admit(asked(['X-HTTP-Method-Override', 'DELETE'])))).toBe(0)
})

it.each(POLICIES)('takes no path for / under %s', (policy) => {
  expect(admitted(policy, ['http://host'], ['GET', 'DELETE'])).toEqual(
    policy === 'full' ? ['GET http://host', 'DELETE http://host'] : ['GET http://host'],
  )
})
