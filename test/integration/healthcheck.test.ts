import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { adminAt, play, sendJson, silence } from './doctor-context.ts'
import { runCommand } from './doctor-command.ts'
import { holding } from './doctor-matchers.ts'

describe('healthcheck', () => {
  it('of a live one: exit 0, one line', async () => {
    const standIn = await startStandIn()
    const app = await startApp(standIn.port)
    onTestFinished(app.close)
    const at = `127.0.0.1:${app.adminPort}`
    expect(await runCommand(['healthcheck'], { OLLASCOPE_ADMIN_LISTEN: at })).toEqual({
      code: 0,
      stdout: `ollascope: http://${at}/healthz is answered 200\n`,
      stderr: '',
    })
    await waitFor(
      'readiness',
      async () => (await runCommand(['healthcheck', '--ready'], { OLLASCOPE_ADMIN_LISTEN: at })).code === 0,
    )
    // In a container it listens on every interface, and that is what the environment says.
    expect(await runCommand(['healthcheck'], { OLLASCOPE_ADMIN_LISTEN: `0.0.0.0:${app.adminPort}` })).toMatchObject({
      code: 0,
    })
    expect(await runCommand(['healthcheck'], { OLLASCOPE_ADMIN_LISTEN: `:${app.adminPort}` })).toMatchObject({
      code: 0,
    })
  })
  it('of one without Ollama: it lives, and is not ready, with the reason', async () => {
    const app = await startApp(4) // nobody listens there
    onTestFinished(app.close)
    const env = { OLLASCOPE_ADMIN_LISTEN: `127.0.0.1:${app.adminPort}` }
    expect(await runCommand(['healthcheck'], env)).toMatchObject({ code: 0 })
    await waitFor('the reason', async () => {
      const { code, stderr } = await runCommand(['healthcheck', '--ready'], env)
      expect(code).toBe(1)
      return /^ollascope: \S+\/readyz is answered 503: .*refused.*\n$/.test(stderr)
    })
  })
  it('of none: exit 1, one line', async () => {
    const { code, stdout, stderr } = await runCommand(['healthcheck'], { OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:1' })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^ollascope: http:\/\/127\.0\.0\.1:1\/healthz: connection refused;.*\n$/)
  })
  it('of one that hangs, or drips: exit 1 after 3 s', async () => {
    const drip = (_request: IncomingMessage, response: ServerResponse) => {
      const timer = setInterval(() => response.write('x'), 100)
      response.on('close', () => clearInterval(timer))
      response.write('x')
    }
    const all = [silence, drip].map(async (healthz) =>
      runCommand(['healthcheck'], adminAt(await play({ '/healthz': healthz }))),
    )
    for (const { code, stderr } of await Promise.all(all)) {
      expect(code).toBe(1)
      expect(stderr).toContain('no answer within 3 s')
    }
  })
  it('of one that fails, or breaks off: exit 1', async () => {
    const failing = adminAt(
      await play({ '/healthz': (_: unknown, response: ServerResponse) => sendJson(response, 500, {}) }),
    )
    expect(await runCommand(['healthcheck'], failing)).toMatchObject({
      code: 1,
      stderr: holding('answered 500'),
    })
    const broken = adminAt(await play({ '/healthz': (request: IncomingMessage) => request.socket.destroy() }))
    expect(await runCommand(['healthcheck'], broken)).toMatchObject({ code: 1 })
  })
  it('with bad settings or options: exit 2', async () => {
    expect(await runCommand(['healthcheck'], { OLLASCOPE_ADMIN_LISTEN: 'nowhere' })).toMatchObject({ code: 2 })
    expect(await runCommand(['healthcheck', '--fast'])).toMatchObject({ code: 2 })
    expect(await runCommand(['healthcheck', '--help'])).toMatchObject({
      code: 0,
      stdout: holding('--ready'),
    })
  })
})
