import { describe, expect, it } from 'vitest'
import { createGate } from '../../../src/access/gate.ts'
import { asked, OPEN, statusOf } from './rules.ts'

type Allowed = 'ollama' | 'any' | string[]

function originStatus(allowedOrigins: Allowed, host: string, ...origins: string[]): number {
  const fields = origins.flatMap((origin) => ['oRiGiN', origin])
  return statusOf({ allowedOrigins }, asked(['Host', host, ...fields]))
}

describe("Ollama's Origin rule", () => {
  it.each([
    '',
    'http://llm.example:11434',
    'https://LLM.example:11434',
    'http://localhost',
    'https://localhost:3000',
    'HTTP://LocalHost:3000',
    'http://127.0.0.1:8080',
    'https://127.0.0.1',
    'http://0.0.0.0:1',
    'app://obsidian.md',
    'file://',
    'file:///home/me/page.html',
    'tauri://localhost',
    'vscode-webview://1a2b3c',
    'vscode-file://vscode-app',
  ])('lets %j through', (origin) => expect(originStatus('ollama', 'llm.example:11434', origin)).toBe(0))

  it('compares with the Host in any case', () => {
    expect(originStatus('ollama', 'LLM.example', 'http://llm.example')).toBe(0)
  })

  it.each([
    'null',
    'http://evil.example',
    'http://llm.example',
    'http://llm.example:1143',
    'http://llm.example:114345',
    'ftp://llm.example:11434',
    'llm.example:11434',
    '//llm.example:11434',
    'http://localhost.evil.example',
    'http://localhostevil.example',
    'http://localhost:3000.evil.example',
    'http://localhost:evil',
    'http://localhost@evil.example',
    'http://evil.example@localhost',
    'http://evil.example/localhost',
    'http://localhost/',
    'http://localhost.',
    'http://127.0.0.1.evil.example',
    'http://127.0.0.2',
    'http://127.1',
    'http://[::1]:3000',
    'http://',
    'https://',
    'ws://localhost',
    'chrome-extension://abc',
    'app:/obsidian.md',
    'xapp://obsidian.md',
    'http://evil.example/app://x',
    'http://localhost http://evil.example',
    'http://localhost, http://evil.example',
    'http://evil.example http://localhost',
    '*',
  ])('refuses %j', (origin) => expect(originStatus('ollama', 'llm.example:11434', origin)).toBe(403))

  it('lets a request without Origin through', () => expect(originStatus('ollama', 'evil.example')).toBe(0))

  it('looks at every Origin', () => {
    expect(originStatus('ollama', 'a', 'http://localhost', 'app://x')).toBe(0)
    expect(originStatus('ollama', 'a', 'http://localhost', 'http://evil.example')).toBe(403)
    expect(originStatus('ollama', 'a', 'http://evil.example', 'http://localhost')).toBe(403)
    expect(originStatus('ollama', 'a', '', 'http://evil.example')).toBe(403)
  })

  it('takes an Origin for the own one only where there is one Host', () => {
    const two = asked(['Host', 'evil.example', 'Host', 'localhost', 'Origin', 'http://evil.example'])
    expect(statusOf({ allowedOrigins: 'ollama' }, two)).toBe(403)
    expect(statusOf({ allowedOrigins: 'ollama' }, asked(['Origin', 'http://']))).toBe(403)
    expect(originStatus('ollama', '', 'http://')).toBe(403)
  })

  it('refuses as Ollama does, without a word', () => {
    const { admit } = createGate({ ...OPEN, allowedOrigins: 'ollama' }, () => 0, 'Big-Box')
    expect(admit(asked(['Origin', 'null']))).toEqual({
      client: undefined,
      denial: { status: 403, message: '', verdict: { outcome: 'denied', errorType: 'forbidden' } },
    })
  })
})

describe('a list of origins', () => {
  const LIST = [
    'https://Chat.example.com',
    'https://api.example.com:8443',
    'https://*.corp.example',
    'http://localhost:*',
    'http://[::1]:*',
    'http://192.168.1.*:*',
    'https://pr.*.preview.example',
    'chrome-extension://*',
  ]

  it.each([
    '',
    'https://chat.example.com',
    'HTTPS://CHAT.example.com',
    'https://api.example.com:8443',
    'https://a.corp.example',
    'https://a.b.corp.example',
    'http://localhost',
    'http://localhost:3000',
    'http://[::1]:3000',
    'http://192.168.1.77:3000',
    'https://pr.17.preview.example',
    'chrome-extension://abcdef',
  ])('lets %j through', (origin) => expect(originStatus(LIST, 'x', origin)).toBe(0))

  it.each([
    'null',
    'http://chat.example.com',
    'https://chat.example.com:443',
    'https://chat.example.com.evil.example',
    'https://chat.example.com.',
    'https://chat.example.com/',
    'https://user@chat.example.com',
    'https://chat.example.com@evil.example',
    'chat.example.com',
    'https://api.example.com',
    'https://api.example.com:84431',
    'https://corp.example',
    'https://.corp.example',
    'https://evilcorp.example',
    'http://a.corp.example',
    'https://a.corp.example:8443',
    'https://evil.com/.corp.example',
    'https://evil.com/a.corp.example',
    'https://evil.com?.corp.example',
    'https://evil.com#.corp.example',
    'https://evil.com\\.corp.example',
    'https://evil.com:80.corp.example',
    'https://evil.com@a.corp.example',
    'https://evil.com%2f.corp.example',
    'https://evil.com https://a.corp.example',
    'https://a.corp.example.evil.com',
    'http://localhost:3000.evil.example',
    'http://localhost.evil.example:3000',
    'http://localhost:3000/',
    'https://localhost:3000',
    'http://[::2]:3000',
    'http://192.168.1.com',
    'http://192.168.1.1.evil.example',
    'http://192.168.1.256',
    'http://192.168.2.1',
    'https://pr.preview.example',
    'https://pr.a.b.preview.example',
    'https://x.pr.a.preview.example',
    'chrome-extension://abc/x',
    'moz-extension://abc',
    'http://x',
    'https://',
    '://chat.example.com',
  ])('refuses %j', (origin) => {
    expect(originStatus(LIST, 'x', origin)).toBe(403)
  })

  it('lets a request without Origin through, and wants every one to be listed', () => {
    expect(originStatus(LIST, 'x')).toBe(0)
    expect(originStatus(LIST, 'x', 'http://localhost', 'https://chat.example.com')).toBe(0)
    expect(originStatus(LIST, 'x', 'http://localhost', 'http://evil.example')).toBe(403)
    expect(originStatus(LIST, 'x', 'http://evil.example', 'http://localhost')).toBe(403)
    expect(originStatus([], 'x', 'http://localhost')).toBe(403)
  })

  it('says where the list is', () => {
    const { admit } = createGate({ ...OPEN, allowedOrigins: LIST }, () => 0, 'Big-Box')
    expect(admit(asked(['Origin', 'http://evil.example']))).toMatchObject({
      client: undefined,
      denial: {
        message: expect.stringMatching(/^ollascope: .+; .+ OLLASCOPE_ALLOWED_ORIGINS$/) as string,
        verdict: { outcome: 'denied', errorType: 'forbidden' },
      },
    })
  })

  it.each(['', 'localhost', 'http://', '*://a', 'http://a/b', '://a', 'http://a*', 'http://a b'])(
    'cannot hold %j',
    (origin) => {
      expect(() => createGate({ ...OPEN, allowedOrigins: [origin] }, () => 0, '')).toThrow('OLLASCOPE_ALLOWED_ORIGINS')
    },
  )
})

it('lets any Origin through where no rule is set', () => {
  expect(originStatus('any', 'x', 'null', 'http://evil.example')).toBe(0)
})
