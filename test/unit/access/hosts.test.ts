import { describe, expect, it } from 'vitest'
import { createGate } from '../../../src/access/gate.ts'
import { asked, OPEN, statusOf } from './rules.ts'

function hostStatus(allowedHosts: 'ollama' | 'any' | string[], ...hosts: string[]): number {
  return statusOf({ allowedHosts }, asked(hosts.flatMap((host) => ['hOsT', host])))
}

describe("Ollama's Host rule", () => {
  it.each([
    '',
    ':11434',
    'localhost',
    'LocalHost:11434',
    'localhost:',
    '127.0.0.1',
    '127.0.0.1:11434',
    '0.0.0.0',
    '203.0.113.9:80',
    '[::1]',
    '[::1]:11434',
    '[FE80::1]:80',
    '[::ffff:127.0.0.1]',
    '::1',
    'big-box',
    'BIG-BOX:11434',
    'a.localhost',
    'my.printer.local',
    'host.docker.internal:11434',
    'My_Box.LOCAL',
  ])('lets %j through', (host) => expect(hostStatus('ollama', host)).toBe(0))

  it.each([
    'evil.example',
    'evil.example:11434',
    'localhost.evil.example',
    'localhost.',
    'a.localhost.evil.example',
    'a.local.evil.example',
    'a.internal.evil.example',
    'a.local.',
    '127.0.0.1.',
    'big-box.evil.example',
    'other-box',
    'notlocalhost',
    'evillocal',
    'local',
    '.local',
    'a..local',
    'internal.',
    'user@localhost',
    'localhost@evil.example',
    'localhost:80:80',
    'localhost:evil.example',
    'localhost:-1',
    'local host',
    'localhost,evil.example',
    'evil.example/.local',
    'evil.example\\.local',
    'evil.example#.local',
    'evil.example?.local',
    'evil%2e.local',
    'évil.local',
    'localhost\n',
    '127.1',
    '0x7f.1',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '2130706433',
    '127.0.0.1.evil.example',
    '256.0.0.1',
    '[127.0.0.1]',
    '[localhost]',
    '[::1',
    '::1]',
    '[::1]evil.example',
    '[::1%25lo]',
    '[::1%lo]',
    'fe80::1%lo',
    '[]',
    '*',
    'http://localhost',
  ])('refuses %j', (host) => expect(hostStatus('ollama', host)).toBe(403))

  it('lets a request without Host through', () => expect(hostStatus('ollama')).toBe(0))

  it('looks at every Host', () => {
    expect(hostStatus('ollama', 'localhost', '127.0.0.1')).toBe(0)
    expect(hostStatus('ollama', 'localhost', 'evil.example')).toBe(403)
    expect(hostStatus('ollama', 'evil.example', 'localhost')).toBe(403)
  })

  it('looks at the Host, not at the authority of the request line', () => {
    expect(statusOf({ allowedHosts: 'ollama' }, asked(['Host', 'localhost'], 'GET', 'http://evil.example/'))).toBe(0)
    expect(statusOf({ allowedHosts: 'ollama' }, asked(['Host', 'evil.example'], 'GET', 'http://localhost/'))).toBe(403)
  })

  it('refuses as Ollama does, without a word', () => {
    const { admit } = createGate({ ...OPEN, allowedHosts: 'ollama' }, () => 0, 'Big-Box')
    expect(admit(asked(['Host', 'evil.example']))).toEqual({
      client: undefined,
      denial: { status: 403, message: '', verdict: { outcome: 'denied', errorType: 'forbidden' } },
    })
  })

  it('takes no empty name of a machine for a name', () => {
    const { admit } = createGate({ ...OPEN, allowedHosts: 'ollama' }, () => 0, '')
    expect(admit(asked(['Host', 'evil.example']))).toHaveProperty('denial')
  })
})

describe('a list of hosts', () => {
  const LIST = ['LLM.example.com', 'api.example.com:8443', '*.corp.example', '*.port.example:81', '[::1]', '192.0.2.7']

  it.each([
    'llm.example.com',
    'Llm.Example.COM:11434',
    'api.example.com:8443',
    'a.corp.example',
    'a.b.corp.example:1',
    'a.port.example:81',
    '[::1]',
    '[::1]:11434',
    '192.0.2.7:80',
  ])('lets %j through', (host) => expect(hostStatus(LIST, host)).toBe(0))

  it.each([
    '',
    ':8443',
    'localhost',
    '127.0.0.1',
    'example.com',
    'x.llm.example.com',
    'llm.example.com.',
    'llm.example.com.evil.example',
    'llm.example.com@evil.example',
    'api.example.com',
    'api.example.com:844',
    'api.example.com:84430',
    'corp.example',
    '.corp.example',
    'a..corp.example',
    'evilcorp.example',
    'a.corp.example.evil.example',
    'evil.example/a.corp.example',
    'a.port.example',
    'a.port.example:80',
    '[::2]',
    '*.corp.example',
  ])('refuses %j', (host) => expect(hostStatus(LIST, host)).toBe(421))

  it('wants every Host to be listed, and one to be there', () => {
    expect(hostStatus(LIST)).toBe(421)
    expect(hostStatus(LIST, 'llm.example.com', 'localhost')).toBe(421)
    expect(hostStatus(LIST, 'localhost', 'llm.example.com')).toBe(421)
    expect(hostStatus([], 'localhost')).toBe(421)
  })

  it('says where the list is', () => {
    const { admit } = createGate({ ...OPEN, allowedHosts: LIST }, () => 0, 'Big-Box')
    expect(admit(asked(['Host', 'evil.example']))).toMatchObject({
      client: undefined,
      denial: {
        message: expect.stringMatching(/^ollascope: .+; .+ OLLASCOPE_ALLOWED_HOSTS .+$/) as string,
        verdict: { outcome: 'denied', errorType: 'forbidden' },
      },
    })
  })

  it.each(['', 'a b', 'http://a', 'a*', '*.', 'a/b', 'a:b'])('cannot hold %j', (host) => {
    expect(() => createGate({ ...OPEN, allowedHosts: [host] }, () => 0, '')).toThrow('OLLASCOPE_ALLOWED_HOSTS')
  })
})

it('lets any Host through where no rule is set', () => {
  expect(hostStatus('any', 'evil.example', 'x y')).toBe(0)
})
