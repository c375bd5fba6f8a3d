import { describe, expect, it } from 'vitest'
import { parseCollectors, parseContainers, parseHosts, parseNetworks, parseOrigins } from '../../../src/config/lists.ts'
import type { Parser } from '../../../src/config/parsers.ts'

const problem = <T>(parser: Parser<T>, text: string): string => {
  const parsed = parser(text)
  return 'problem' in parsed ? parsed.problem : expect.fail(`accepted ${JSON.stringify(text)}`)
}

describe('networks', () => {
  it.each([
    ['', []],
    ['10.0.0.0/8', ['10.0.0.0/8']],
    ['0.0.0.0/0,::/0', ['0.0.0.0/0', '::/0']],
    ['192.0.2.1 , FD00::/8,\t::1/128', ['192.0.2.1', 'fd00::/8', '::1/128']],
    ['::ffff:10.0.0.1', ['::ffff:10.0.0.1']],
  ])('%j is %j', (text, value) => expect(parseNetworks(text)).toEqual({ value }))

  it.each([
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '10.0.0.256',
    '010.0.0.1',
    '[::1]',
    'fe80::1%eth0',
    'localhost',
    '*',
    'auto',
    '/8',
    'http://10.0.0.1',
    '10.0.0.1:80',
  ])('%j is none', (text) =>
    expect(problem(parseNetworks, `10.0.0.1,${text}`)).toBe(
      `${text} is not an address or a CIDR; write 10.0.0.0/8, 192.0.2.1 or fd00::/8`,
    ),
  )
})

describe('hosts', () => {
  it.each([
    ['ollama', ['ollama']],
    ['Ollama.Example:443, *.Example.com', ['ollama.example:443', '*.example.com']],
    ['*.internal:8080', ['*.internal:8080']],
    ['127.0.0.1,10.1.2.3:11435', ['127.0.0.1', '10.1.2.3:11435']],
    ['[::1],[FD00::1]:80', ['[::1]', '[fd00::1]:80']],
    ['my_host-1:65535', ['my_host-1:65535']],
    ['autobahn', ['autobahn']],
  ])('%j is %j', (text, value) => expect(parseHosts(text)).toEqual({ value }))

  it.each([
    'http://ollama',
    'ollama/',
    'ollama/api',
    'ollama:',
    'ollama:0',
    'ollama:65536',
    'ollama:*',
    'ollama:http',
    '*ollama',
    'a.*.b',
    '*.',
    '.example',
    'a..b',
    'example.',
    '::1',
    '[::1',
    '[]',
    '[127.0.0.1]',
    '[fe80::1%eth0]',
    '300.0.0.1',
    '1.2.3',
    '*.0.0.1',
    'a b',
    'exämple',
    'user@ollama',
  ])('%j is none', (text) =>
    expect(problem(parseHosts, `fine,${text}`)).toMatch(
      / is not a host; write name, name:port, \*\.suffix or \[::1\], without scheme or path$/,
    ),
  )
})

describe('origins', () => {
  it.each([
    ['http://localhost:3000', ['http://localhost:3000']],
    ['HTTPS://App.Example, http://[::1]:80', ['https://app.example', 'http://[::1]']],
    ['http://localhost:*,http://[::1]:*', ['http://localhost:*', 'http://[::1]:*']],
    ['https://*.example.com,https://*.example.com:8443', ['https://*.example.com', 'https://*.example.com:8443']],
    ['app://*,vscode-webview://*,http://*:*', ['app://*', 'vscode-webview://*', 'http://*:*']],
    ['http://10.0.0.1', ['http://10.0.0.1']],
  ])('%j is %j', (text, value) => expect(parseOrigins(text)).toEqual({ value }))

  it('is compared without the port that a browser leaves out', () => {
    const text = 'http://a:80,https://b:443,http://c:443,https://d:80,app://e:80,http://f:8080'
    const value = ['http://a', 'https://b', 'http://c:443', 'https://d:80', 'app://e:80', 'http://f:8080']
    expect(parseOrigins(text)).toEqual({ value })
  })

  it.each([
    'localhost:3000',
    '//localhost',
    'http://',
    'http:localhost',
    '*://localhost',
    'http://localhost/',
    'http://localhost/app',
    'http://localhost?a=b',
    'http://a.*.b',
    'http://a*',
    'http://localhost:0',
    'http://localhost:65536',
    'http://localhost:',
    'http://300.0.0.1',
    'http://*.0.0.1',
    'http://[127.0.0.1]',
    'http://user@localhost',
    'null',
  ])('%j is none', (text) =>
    expect(problem(parseOrigins, `app://*,${text}`)).toMatch(
      / is not an origin; write scheme:\/\/host or scheme:\/\/host:port, without a path$/,
    ),
  )
})

describe('collectors', () => {
  it.each([
    ['auto', undefined],
    ['none', []],
    ['NONE', []],
    [' none ', []],
    ['nvidia', ['nvidia']],
    ['host,docker,ollama', ['ollama', 'docker', 'host']],
    [' Host,\tNVIDIA , amd', ['nvidia', 'amd', 'host']],
    ['cgroup,cgroup,CGroup', ['cgroup']],
    ['host,cgroup,docker,amd,nvidia,ollama', ['ollama', 'nvidia', 'amd', 'docker', 'cgroup', 'host']],
  ])('%j are %j', (text, value) => expect(parseCollectors(text)).toEqual({ value }))

  it.each(['nvida', 'gpu', 'all', '*', '-host', 'ollama nvidia', 'toString', 'oom'])('%j is none', (text) =>
    expect(problem(parseCollectors, `host,${text}`)).toBe(
      `${text.toLowerCase()} is not a collector; write some of ollama, nvidia, amd, docker, cgroup, host, or none`,
    ),
  )

  it.each(['none', 'auto'])('are not %s beside others', (word) => {
    for (const text of [`host,${word}`, `${word}, host`, `${word},nvida`, `${word},`, `${word},${word}`]) {
      expect(problem(parseCollectors, text), text).toBe(`${word} goes with nothing else; write it alone`)
    }
  })
})

describe('containers', () => {
  it.each([
    ['', []],
    ['ollama', ['ollama']],
    ['Ollama,ollama', ['Ollama', 'ollama']],
    [' my-app.ollama_1 ,b,b,\tc ', ['my-app.ollama_1', 'b', 'c']],
    ['a', ['a']],
    ['none,auto', ['none', 'auto']],
    ['x'.repeat(255), ['x'.repeat(255)]],
  ])('%j are %j', (text, value) => expect(parseContainers(text)).toEqual({ value }))

  it.each(['/ollama', '-a', '.a', '_a', 'a b', 'a*', 'a/b', 'a:b', 'ölla', 'a\nb', 'x'.repeat(256)])(
    '%j is the name of none',
    (text) =>
      expect(problem(parseContainers, `fine,${text}`)).toMatch(
        / is not the name of a container; write names as docker ps shows them$/,
      ),
  )
})

describe('a list of hosts or of origins', () => {
  it.each([parseHosts, parseOrigins])('is auto, any, or neither beside something else', (parse) => {
    expect(parse('auto')).toEqual({ value: 'auto' })
    expect(parse('*')).toEqual({ value: 'any' })
    for (const word of ['auto', '*']) {
      for (const text of [`http://a,${word}`, `${word}, a`, `${word},`, ` ${word}`]) {
        expect(problem(parse, text), text).toBe(`${word} goes with nothing else; write it alone`)
      }
    }
  })

  it.each([
    ['networks', parseNetworks, '::1'],
    ['hosts', parseHosts, 'a'],
    ['origins', parseOrigins, 'http://a'],
    ['collectors', parseCollectors, 'host'],
    ['containers', parseContainers, 'ollama'],
  ] as const)('has no empty entry: %s', (_what, parse, entry) => {
    for (const text of [',', ' ', `${entry},`, `,${entry}`, `${entry},,${entry}`]) {
      expect(problem(parse, text), text).toBe('an entry is empty; write a,b')
    }
  })

  it('says what is wrong with an entry without what may be a secret, bounded', () => {
    expect(problem(parseOrigins, 'https://me:hush@app')).toMatch(/^https:\/\/\*{8}@app is not /)
    expect(problem(parseHosts, `${'x'.repeat(200)}/`)).toMatch(/^x{79}… is not /)
    expect(problem(parseNetworks, '\u001b[2J')).toMatch(/^\\u\{1b\}\[2j is not /)
    expect(problem(parseContainers, 'me:hush@app')).toMatch(/^\*{8}@app is not /)
    expect(problem(parseCollectors, 'tcp://me:hush@app')).toMatch(/^tcp:\/\/\*{8}@app is not /)
  })
})
