import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config.ts'
import { noFile, problemsOf } from './problems.ts'

describe('addresses that do not go together', () => {
  const adminTaken = 'the proxy listens there (OLLASCOPE_LISTEN); write another port'
  it.each([
    ['127.0.0.1:9000', '127.0.0.1:9000'],
    ['localhost:9000', '127.0.0.1:9000'],
    ['0.0.0.0:9000', '127.0.0.1:9000'],
    [':9000', '[::1]:9000'],
  ])('proxy on %s, admin on %s', (listen, admin) => {
    expect(problemsOf({ OLLASCOPE_LISTEN: listen, OLLASCOPE_ADMIN_LISTEN: admin })).toEqual([
      `OLLASCOPE_ADMIN_LISTEN=${admin}: ${adminTaken}`,
    ])
  })

  it('names the default where that is what collides', () => {
    expect(problemsOf({ OLLASCOPE_LISTEN: '127.0.0.1:9435' })).toEqual([
      `OLLASCOPE_ADMIN_LISTEN=127.0.0.1:9435: ${adminTaken}`,
    ])
  })

  it.each([
    ['127.0.0.1:0', '127.0.0.1:0'],
    ['127.0.0.1:9000', '127.0.0.2:9000'],
    ['127.0.0.1:9000', '127.0.0.1:9001'],
  ])('but proxy on %s, admin on %s do', (listen, admin) => {
    expect(() => loadConfig({ OLLASCOPE_LISTEN: listen, OLLASCOPE_ADMIN_LISTEN: admin }, noFile)).not.toThrow()
  })

  it('an upstream that is the proxy itself', () => {
    const why = 'the proxy itself listens there, so a request would go round for ever'
    expect(problemsOf({ OLLASCOPE_UPSTREAM: 'http://localhost:11435' })).toEqual([
      `OLLASCOPE_UPSTREAM=http://localhost:11435: ${why}`,
    ])
    expect(problemsOf({ OLLASCOPE_LISTEN: ':11434' })).toEqual([`OLLASCOPE_UPSTREAM=http://127.0.0.1:11434: ${why}`])
    const container = { OLLASCOPE_LISTEN: '0.0.0.0:11434', OLLASCOPE_UPSTREAM: 'http://ollama:11434' }
    expect(() => loadConfig(container, noFile)).not.toThrow()
  })

  const exposed =
    'not on loopback, so whoever reaches it could read everything; set OLLASCOPE_ADMIN_TOKEN or ' +
    'OLLASCOPE_ADMIN_TOKEN_FILE, or OLLASCOPE_ADMIN_INSECURE=true if that is meant'
  it.each(['0.0.0.0:9435', ':9435', '[::]:9435', '10.1.2.3:9435', 'admin.internal:9435', '127.evil.example:9435'])(
    'admin on %s without a token',
    (admin) => {
      const env = { OLLASCOPE_ADMIN_LISTEN: admin }
      expect(problemsOf(env)).toEqual([`OLLASCOPE_ADMIN_LISTEN=${admin}: ${exposed}`])
      expect(problemsOf({ ...env, OLLASCOPE_ADMIN_INSECURE: 'false' })).toHaveLength(1)
      expect(() => loadConfig({ ...env, OLLASCOPE_ADMIN_INSECURE: 'true' }, noFile)).not.toThrow()
      expect(() => loadConfig({ ...env, OLLASCOPE_ADMIN_TOKEN: 't0ken' }, noFile)).not.toThrow()
    },
  )

  it('does not ask for a token where the one given is the mistake', () => {
    const problems = problemsOf({ OLLASCOPE_ADMIN_LISTEN: ':9435', OLLASCOPE_ADMIN_TOKEN_FILE: '/run/token' })
    expect(problems).toEqual([
      'OLLASCOPE_ADMIN_TOKEN_FILE=/run/token: cannot be read (no such file); write the path of a file',
    ])
  })
})
