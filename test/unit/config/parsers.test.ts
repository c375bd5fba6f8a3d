import { describe, expect, it } from 'vitest'
import * as parse from '../../../src/config/parsers.ts'
import type { Parser } from '../../../src/config/parsers.ts'

const problem = <T>(parser: Parser<T>, text: string): string => {
  const parsed = parser(text)
  return 'problem' in parsed ? parsed.problem : expect.fail(`accepted ${JSON.stringify(text)}`)
}

describe('duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['0s', 0],
    ['596h', 2_145_600_000],
  ])('%s is %d ms', (text, value) => expect(parse.duration()(text)).toEqual({ value }))

  it.each(['', '30', 's', '1.5s', '-1s', '+1s', '1e3s', ' 30s', '30s ', '30 s', '30S', '1h30m', '30sec', '1d', '٣s'])(
    '%j is none',
    (text) => expect(problem(parse.duration(), text)).toBe('not a duration; write 500ms, 30s, 5m or 1h'),
  )

  it('keeps to what a timer can hold, and to its own least', () => {
    expect(problem(parse.duration(), '597h')).toBe('too long; write at most 596h')
    expect(problem(parse.duration(), `${'9'.repeat(400)}s`)).toBe('too long; write at most 596h')
    expect(problem(parse.duration('1s'), '0s')).toBe('too short; write at least 1s')
    expect(parse.duration('1s')('1000ms')).toEqual({ value: 1_000 })
  })
})

describe('seconds, as older settings have them', () => {
  it.each([
    ['30', 30_000],
    ['2.5', 2_500],
    ['0', 0],
    ['0.0004', 0],
    ['0.001', 1],
    ['2145600', 2_145_600_000],
  ])('%s is %d ms', (text, value) => expect(parse.seconds(0)(text)).toEqual({ value }))

  it.each(['', '.5', '5.', '-1', '+1', '1e3', '30s', ' 30', '1,5', 'Infinity', 'NaN', '0x10'])('%j is none', (text) =>
    expect(problem(parse.seconds(0), text)).toBe('not a number of seconds; write 30 or 2.5'),
  )

  it('keeps to what a timer can hold, and to its own least', () => {
    expect(problem(parse.seconds(1), '0.0004')).toBe('too short; write at least 0.001')
    expect(parse.seconds(1)('0.001')).toEqual({ value: 1 })
    for (const text of ['2147484', '9'.repeat(400)]) {
      expect(problem(parse.seconds(1), text)).toBe('too long; write at most 2145600')
    }
  })
})

describe('integer', () => {
  const one = parse.integer(1, 10_000)
  it.each([
    ['1', 1],
    ['10000', 10_000],
    ['007', 7],
  ])('%s is %d', (text, value) => expect(one(text)).toEqual({ value }))

  it.each(['', '0', '10001', '-1', '1.0', '1e2', '0x10', ' 1', 'Infinity', 'NaN', '1_000'])('%j is out', (text) =>
    expect(problem(one, text)).toBe('not a whole number from 1 to 10000'),
  )
})

describe('booleans, words and text', () => {
  it('are taken exactly', () => {
    expect(parse.parseBoolean('true')).toEqual({ value: true })
    expect(parse.parseBoolean('false')).toEqual({ value: false })
    for (const text of ['', '1', 'TRUE', 'yes', ' true']) {
      expect(problem(parse.parseBoolean, text)).toBe('not a boolean; write true or false')
    }
    expect(parse.oneOf('a', 'b')('b')).toEqual({ value: 'b' })
    for (const text of ['', 'A', 'ab', 'toString']) {
      expect(problem(parse.oneOf('a', 'b'), text)).toBe('not one of a, b')
    }
    expect(parse.parseText(' any ')).toEqual({ value: ' any ' })
  })

  it('are taken more loosely where an older setting was', () => {
    for (const text of ['true', 'TRUE', 'True', '1', 'yes', 'Yes']) {
      expect(parse.parseOlderBoolean(text), text).toEqual({ value: true })
    }
    for (const text of ['false', 'FALSE', '0', 'no', 'NO']) {
      expect(parse.parseOlderBoolean(text), text).toEqual({ value: false })
    }
    for (const text of ['', 'y', 'on', 'off', '2', '10', 'true ', 'not', 'false\n']) {
      expect(problem(parse.parseOlderBoolean, text)).toBe('not a boolean; write true or false')
    }
  })

  it('are undefined where optional and empty', () => {
    expect(parse.optional(parse.parseBoolean)('')).toEqual({ value: undefined })
    expect(parse.optional(parse.parseBoolean)('true')).toEqual({ value: true })
    expect(problem(parse.optional(parse.parseBoolean), 'x')).toBe('not a boolean; write true or false')
  })

  it('make a token only where a header can carry them', () => {
    expect(parse.parseToken('aZ0-._~+/=!')).toEqual({ value: 'aZ0-._~+/=!' })
    for (const text of ['', ' ', 'a b', 'a\nb', 'a\t', 'pässword', '\ufefftoken', 'a\u0000']) {
      expect(problem(parse.parseToken, text)).toBe('not a usable token; write visible ASCII characters without spaces')
    }
  })
})

describe('parsePath', () => {
  it.each([
    ['/', '/'],
    ['//', '/'],
    ['/proc', '/proc'],
    ['/host/proc/', '/host/proc'],
    ['/host//proc///', '/host//proc'],
    ['/with a space ', '/with a space '],
  ])('%j is %j', (text, value) => expect(parse.parsePath(text)).toEqual({ value }))

  it.each(['', 'proc', './proc', '../proc', '~/state', ' /proc', 'file:///proc', '/a\0b'])('%j is none', (text) =>
    expect(problem(parse.parsePath, text)).toBe('not an absolute path; write one that begins with /'),
  )
})

describe('parseDockerHost', () => {
  it.each([
    'unix:///var/run/docker.sock',
    'unix:///run/user/1000/podman/a socket',
    'tcp://docker-proxy:2375',
    'tcp://127.0.0.1:65535',
    'TCP://[fd00::1]:2375',
    'tcp://docker_1.internal',
    'http://localhost:2375/',
  ])('%s is taken as it is', (text) => expect(parse.parseDockerHost(text)).toEqual({ value: text }))

  const wanted = 'write unix:///var/run/docker.sock or tcp://host:2375'
  it.each([
    '',
    '/var/run/docker.sock',
    'unix://',
    'unix:///',
    'unix://var/run/docker.sock',
    'unix:///a\0b',
    'docker',
    'docker:2375',
    'tcp:docker:2375',
    'tcp://',
    'tcp://:2375',
    'tcp://docker:',
    'tcp://docker:0',
    'tcp://docker:65536',
    'tcp://docker:http',
    'tcp://[::1',
    'tcp://[::::]:2375',
    'tcp://300.0.0.1:2375',
    'tcp://me@docker:2375',
    'tcp://docker:2375/v1.45',
    'tcp://docker:2375?a=b',
    ' tcp://docker:2375',
    'tcp://docker:2375\n',
    'tcp://a,tcp://b',
  ])('%j is none', (text) =>
    expect(problem(parse.parseDockerHost, text)).toBe(`not the address of a Docker daemon; ${wanted}`),
  )

  it.each(['ssh://host', 'ssh://me@host', 'https://docker:2376', 'npipe:////./pipe/docker_engine', 'fd://'])(
    '%s is said not to be supported',
    (text) =>
      expect(problem(parse.parseDockerHost, text)).toBe(`${text.replace(/:.*/, '')}:// is not supported; ${wanted}`),
  )
})

describe('parseListen', () => {
  it.each([
    ['127.0.0.1:9435', '127.0.0.1', 9435],
    ['[::1]:9435', '::1', 9435],
    ['[::]:1', '::', 1],
    ['[::ffff:127.0.0.1]:1', '::ffff:127.0.0.1', 1],
    [':9435', '', 9435],
    ['localhost:0', 'localhost', 0],
    ['my-host.example_1:65535', 'my-host.example_1', 65_535],
  ])('%s', (text, host, port) => expect(parse.parseListen(text)).toEqual({ value: { host, port } }))

  it.each([
    ['', 'nothing'],
    [':', 'no port'],
    ['9435', 'a port alone'],
    ['localhost', 'a host alone'],
    ['localhost:', 'no port'],
    ['localhost:65536', 'a port too large'],
    ['localhost:999999', 'a port too long'],
    ['localhost:-1', 'a negative port'],
    ['localhost:http', 'a port by name'],
    ['::1:9435', 'IPv6 without brackets'],
    ['[::1]', 'IPv6 without a port'],
    ['[127.0.0.1]:1', 'IPv4 in brackets'],
    ['[]:1', 'nothing in brackets'],
    ['[zz::1]:1', 'no IPv6'],
    ['300.0.0.1:1', 'no IPv4'],
    ['127.0.0:1', 'too short an IPv4'],
    ['http://127.0.0.1:9435', 'a URL'],
    ['*:9435', 'a star'],
    [' :9435', 'a space'],
    [':9435\n', 'a newline'],
    ['unix:/run/x.sock', 'a socket'],
  ])('refuses %j, %s', (text) =>
    expect(problem(parse.parseListen, text)).toBe(
      'not an address to listen on; write 127.0.0.1:9435, [::1]:9435, or :9435 for every interface',
    ),
  )
})

describe('parseUpstream', () => {
  it.each([
    ['http://127.0.0.1:11434', '127.0.0.1', 11434, 'http://127.0.0.1:11434'],
    ['http://127.0.0.1:11434/', '127.0.0.1', 11434, 'http://127.0.0.1:11434'],
    ['HTTP://Ollama:11434', 'ollama', 11434, 'http://ollama:11434'],
    ['http://ollama', 'ollama', 80, 'http://ollama'],
    ['http://ollama:80', 'ollama', 80, 'http://ollama'],
    ['http://[::1]:11434', '::1', 11434, 'http://[::1]:11434'],
  ])('%s', (text, host, port, url) => expect(parse.parseUpstream(text)).toEqual({ value: { host, port, url } }))

  const wanted = 'write http://host:port and nothing after it'
  it.each([
    ['', `not an http:// URL; ${wanted}`],
    ['https://ollama', `https:// is not supported yet; ${wanted}`],
    ['HTTPS://ollama', `https:// is not supported yet; ${wanted}`],
    ['ollama', 'not a URL; write http://ollama'],
    ['ollama:11434', 'not a URL; write http://ollama:11434'],
    ['127.0.0.1:11434', 'not a URL; write http://127.0.0.1:11434'],
    ['[::1]:11434', 'not a URL; write http://[::1]:11434'],
    ['unix:///run/ollama.sock', `not an http:// URL; ${wanted}`],
    ['http:ollama', `not an http:// URL; ${wanted}`],
    ['ollama:11434/api', `not an http:// URL; ${wanted}`],
    ['http://', `not a valid URL; ${wanted}`],
    ['http://ollama:99999', `not a valid URL; ${wanted}`],
    ['http://ollama:0', `not a valid URL; ${wanted}`],
    ['http://ollama:1\n', `not a valid URL; ${wanted}`],
    ['http://a b', `not a valid URL; ${wanted}`],
    ['http:\\\\ollama', `not an http:// URL; ${wanted}`],
    ['http://ollama\\api', `not a valid URL; ${wanted}`],
    ['http://u:p@ollama', `credentials are not supported; ${wanted}`],
    ['http://u@ollama', `credentials are not supported; ${wanted}`],
    ['http://ollama/v1', `a path is not supported; ${wanted}`],
    ['http://ollama//', `a path is not supported; ${wanted}`],
    ['http://ollama/?a=b', `a query or fragment is not supported; ${wanted}`],
    ['http://ollama/#a', `a query or fragment is not supported; ${wanted}`],
  ])('refuses %j', (text, why) => expect(problem(parse.parseUpstream, text)).toBe(why))
})

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.255.255.254', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost', 'LocalHost'])(
    '%s is',
    (host) => expect(parse.isLoopback(host)).toBe(true),
  )
  it.each([
    '',
    '0.0.0.0',
    '::',
    '128.0.0.1',
    '126.255.255.255',
    '::2',
    '10.0.0.1',
    '127.evil.example',
    'localhost.evil',
  ])('%j is not', (host) => expect(parse.isLoopback(host)).toBe(false))
})

describe('printable', () => {
  it('keeps 80 characters and cuts the 81st, never in the middle of one', () => {
    expect(parse.printable('x'.repeat(80))).toBe('x'.repeat(80))
    expect(parse.printable('x'.repeat(81))).toBe(`${'x'.repeat(79)}…`)
    expect(parse.printable('🦙'.repeat(80))).toBe('🦙'.repeat(80))
    expect(parse.printable('🦙'.repeat(81))).toBe(`${'🦙'.repeat(79)}…`)
  })

  it('escapes what a terminal would act on or not show', () => {
    expect(parse.printable('a\u001b[2J\r\n\u0000\u009b\u202e\u2028\ufeff\ud800é')).toBe(
      'a\\u{1b}[2J\\u{d}\\u{a}\\u{0}\\u{9b}\\u{202e}\\u{2028}\\u{feff}\\u{d800}é',
    )
  })
})
