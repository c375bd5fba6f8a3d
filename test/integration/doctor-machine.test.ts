import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ok, type Check } from '../../src/doctor/check.ts'
import { CHECKS } from '../../src/doctor/checks.ts'
import { disk } from '../../src/doctor/checks/memory.ts'
import { admin, collectors, metrics, stateDir } from '../../src/doctor/checks/ollascope.ts'
import { ports } from '../../src/doctor/checks/ports.ts'
import { runChecks } from '../../src/doctor/run-checks.ts'
import { startApp } from '../helpers/app.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { adminAt, contextOf, folderOfTest, play, runCheck, silence, statusDocument } from './doctor-context.ts'
import { holding, matching } from './doctor-matchers.ts'

async function startReady(env: Record<string, string> = {}) {
  const standIn = await startStandIn()
  const app = await startApp(standIn.port, env)
  onTestFinished(app.close)
  await waitFor('readiness', async () => (await fetch(`${app.adminUrl}/readyz`)).ok)
  return { app, standIn }
}

describe('admin', () => {
  it('is ok where it is ready', async () => {
    const { app } = await startReady()
    expect(await runCheck(admin, adminAt(app.adminUrl))).toEqual({ status: 'ok', detail: `${app.adminUrl} is ready` })
  })
  it('fails where nobody listens, another does, or nobody answers', async () => {
    expect(await runCheck(admin)).toMatchObject({ status: 'fail', fix: holding('ollascope serve') })
    expect(await runCheck(admin, adminAt(await play({})))).toMatchObject({
      status: 'fail',
      detail: holding('not Ollascope'),
    })
    const silent = adminAt(await play({ '/healthz': silence }))
    expect(await runCheck(admin, silent, { timeoutMs: 300 })).toMatchObject({
      status: 'fail',
      detail: holding('in time'),
    })
  })
  it('fails with the reasons where Ollama is gone, warns where it is degraded', async () => {
    const app = await startApp(4) // nobody listens there
    onTestFinished(app.close)
    const result = await waitFor('the first question', async () => {
      const found = await runCheck(admin, adminAt(app.adminUrl))
      return found.detail.includes('refused') && found
    })
    expect(result).toMatchObject({ status: 'fail', fix: holding('/status') })
    const url = await play({ '/healthz': { status: 'ok' }, '/readyz': { status: 'degraded', reasons: ['on the CPU'] } })
    expect(await runCheck(admin, adminAt(url))).toMatchObject({ status: 'warn', detail: 'degraded: on the CPU' })
  })
})

describe('metrics', () => {
  it('is ok where Ollama is up, with the token that it wants', async () => {
    const { app } = await startReady({ OLLASCOPE_ADMIN_TOKEN: 'secret' })
    await waitFor('ollama_up', async () => {
      const found = await runCheck(metrics, { ...adminAt(app.adminUrl), OLLASCOPE_ADMIN_TOKEN: 'secret' })
      return found.status === 'ok' && found.detail.endsWith('ollama_up is 1')
    })
    const result = await runCheck(metrics, { ...adminAt(app.adminUrl), OLLASCOPE_ADMIN_TOKEN: 'wrong' })
    expect(result).toMatchObject({ status: 'fail', fix: holding('OLLASCOPE_ADMIN_TOKEN') })
  })
  it.each([
    ['ollama_up 0\n', 'fail', /ollama_up is 0/],
    ['other 1\n', 'fail', /ollama_up is missing/],
    ['ollama_up one\n', 'fail', /no sample: ollama_up one/],
    ['<html>\n', 'fail', /no sample/],
    ['# HELP ollama_up x\nollama_up 1\nb{c="d\\"}",e=""} NaN\n', 'ok', /2 samples/],
  ])('%j: %s', async (text, status, detail) => {
    const url = await play({
      '/status': statusDocument(),
      '/metrics': (_request: unknown, response: ServerResponse) => response.end(text),
    })
    expect(await runCheck(metrics, adminAt(url))).toMatchObject({ status, detail: matching(detail) })
  })
  it('does not want it of a proxy', async () => {
    const url = await play({
      '/status': statusDocument({ role: 'proxy' }),
      '/metrics': (_request: unknown, response: ServerResponse) => response.end('other 1\n'),
    })
    expect(await runCheck(metrics, adminAt(url))).toMatchObject({ status: 'ok' })
    expect(await runCheck(metrics)).toMatchObject({ status: 'fail', detail: holding('refused') })
  })
})

describe('collectors', () => {
  const with_ = async (all: readonly object[], env = {}, role = 'serve') =>
    runCheck(collectors, { ...adminAt(await play({ '/status': statusDocument({ role, collectors: all }) })), ...env })

  it('are ok in a real one', async () => {
    const { app } = await startReady({ OLLASCOPE_COLLECTORS: 'ollama,host' })
    await waitFor('both', async () => {
      const { status, detail } = await runCheck(collectors, adminAt(app.adminUrl))
      return status === 'ok' && detail.includes('ollama ok') && detail.includes('host ok')
    })
  })
  it('fail with what one says, warn where one is absent that was asked for, or all are off', async () => {
    const absent = { name: 'docker', status: 'absent', message: 'There is no socket' }
    expect(await with_([{ name: 'nvidia', status: 'failing', message: 'reboot' }])).toMatchObject({
      status: 'fail',
      detail: 'nvidia: reboot',
    })
    expect(await with_([absent], { OLLASCOPE_COLLECTORS: 'docker' })).toMatchObject({
      status: 'warn',
      detail: holding('no socket'),
    })
    expect(await with_([absent])).toMatchObject({ status: 'ok' })
    expect(await with_([{ name: 'nvidia', status: 'off' }])).toMatchObject({ status: 'warn' })
  })
  it('skip a proxy, and where nobody tells', async () => {
    expect(await with_([], {}, 'proxy')).toMatchObject({ status: 'skip' })
    expect(await runCheck(collectors)).toMatchObject({ status: 'skip', detail: holding('refused') })
  })
})

describe('state-dir', () => {
  it('is ok where it can be written, or made, and leaves nothing behind', async () => {
    const folder = folderOfTest()
    expect(await runCheck(stateDir, { OLLASCOPE_STATE_DIR: folder })).toEqual({ status: 'ok', detail: folder })
    expect(readdirSync(folder)).toEqual([])
    expect(await runCheck(stateDir, { OLLASCOPE_STATE_DIR: `${folder}/a/b` })).toMatchObject({ status: 'ok' })
    expect(existsSync(`${folder}/a`)).toBe(false)
    expect(await runCheck(stateDir)).toMatchObject({ status: 'skip' })
  })
  it('fails where it is a file, or nothing can be made in it', async () => {
    const folder = folderOfTest()
    writeFileSync(join(folder, 'file'), '')
    expect(await runCheck(stateDir, { OLLASCOPE_STATE_DIR: join(folder, 'file') })).toMatchObject({ status: 'fail' })
    // Nobody writes there, not even root.
    expect(await runCheck(stateDir, { OLLASCOPE_STATE_DIR: '/proc/self' })).toMatchObject({
      status: 'fail',
      fix: holding('install -d'),
    })
  })
})

describe('disk', () => {
  it('tells what is free where the models are, and skips where they are not', async () => {
    const store = folderOfTest()
    const result = await runCheck(disk, { OLLAMA_MODELS: store })
    expect(result.detail).toMatch(/GB free/)
    expect(result.status).not.toBe('skip')
    expect(await runCheck(disk, { OLLAMA_MODELS: '/nowhere' })).toMatchObject({
      detail: matching(/free|\/nowhere/),
    })
  })
})

describe('ports', () => {
  it('are ok where they are free, or its own', async () => {
    expect(await runCheck(ports, { OLLASCOPE_LISTEN: '127.0.0.1:3' })).toEqual({
      status: 'ok',
      detail: '127.0.0.1:3 is free, 127.0.0.1:1 is free',
    })
    const { app, standIn } = await startReady()
    const env = {
      OLLASCOPE_UPSTREAM: standIn.url,
      OLLASCOPE_LISTEN: `127.0.0.1:${app.proxyPort}`,
      ...adminAt(app.adminUrl),
    }
    const { status, detail } = await runCheck(ports, env)
    expect(status).toBe('ok')
    expect(detail).toContain(`127.0.0.1:${app.proxyPort} is Ollascope's by `)
    expect(detail).toContain(`127.0.0.1:${app.adminPort} is Ollascope's`)
  })
  it('fail where another has one, and say who', async () => {
    const url = await play({})
    const port = new URL(url).port
    const result = await runCheck(ports, { OLLASCOPE_LISTEN: `127.0.0.1:${port}` })
    expect(result).toMatchObject({ status: 'fail', fix: matching(`:${port}.*OLLASCOPE_LISTEN`) })
    expect(result.detail).toContain(`127.0.0.1:${port} is held by another by node (pid ${process.pid})`)
  })
  it('fail where what listens does not answer', async () => {
    expect(await runCheck(ports, adminAt(await play({ '/healthz': silence })), { timeoutMs: 300 })).toMatchObject({
      status: 'fail',
      detail: holding('does not answer'),
    })
  })
  it('does without /proc', async () => {
    const url = await play({})
    const env = { OLLASCOPE_LISTEN: new URL(url).host, OLLASCOPE_PROC_ROOT: '/nowhere' }
    expect(await runCheck(ports, env)).toMatchObject({
      status: 'fail',
      detail: holding('is held by another,'),
    })
  })
})

describe('all checks together', () => {
  const check = (id: string, run: Check['run']): Check => ({ id, title: id, run })

  it('all run, in their order, though one throws and one hangs', async () => {
    const context = contextOf({}, { timeoutMs: 50 })
    const findings = await Promise.all(
      runChecks(
        [
          check('hangs', () => new Promise(() => undefined)),
          check('throws', () => {
            throw new Error('a mistake')
          }),
          check('works', () => Promise.resolve(ok('well'))),
        ],
        context,
      ),
    )
    expect(findings.map(({ result }) => result)).toEqual([
      { status: 'fail', detail: 'no result within 0.15 s', fix: 'ollascope doctor --only hangs --timeout 1s' },
      { status: 'fail', detail: 'a mistake', fix: holding('--only throws') },
      { status: 'ok', detail: 'well' },
    ])
  })
  it('ends at once when it is stopped', async () => {
    const stop = new AbortController()
    const context = contextOf({}, { stop: stop.signal, timeoutMs: 600_000 })
    const findings = runChecks([check('hangs', () => new Promise(() => undefined))], context)
    stop.abort()
    expect((await findings[0])?.result).toMatchObject({ status: 'fail', detail: 'it was stopped' })
  })
  it('have names of their own', () => {
    expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length)
    expect(new Set(CHECKS.map(({ title }) => title)).size).toBe(CHECKS.length)
  })
  it('none hangs, and each failure says what to type, where everybody is silent', async () => {
    const silent = await play(
      Object.fromEntries(
        [
          '/api/tags',
          '/api/ps',
          '/api/version',
          '/api/generate',
          '/healthz',
          '/readyz',
          '/status',
          '/metrics',
          '/api/v1/rules',
          '/api/v1/targets',
          '/api/v1/alertmanagers',
          '/-/ready',
          '/',
          '/containers/json',
        ].map((path) => [path, silence]),
      ),
    )
    const host = new URL(silent).host
    const root = folderOfTest()
    mkdirSync(join(root, 'class'))
    symlinkSync('/nowhere', join(root, 'class/drm'))
    const env = {
      OLLASCOPE_UPSTREAM: silent,
      OLLAMA_MODEL: 'a',
      OLLASCOPE_DOCKER_HOST: `tcp://${host}`,
      ...adminAt(silent),
      OLLASCOPE_SYS_ROOT: root,
    }
    const place = { url: silent, given: true }
    const context = contextOf(
      { ...env, OLLASCOPE_GPU_EXPECTED: 'true' },
      { timeoutMs: 500, answerTimeoutMs: 500, prometheus: place, alertmanager: place },
    )
    const findings = await Promise.all(runChecks(CHECKS, context))
    expect(findings.map(({ check: { id } }) => id)).toEqual(CHECKS.map(({ id }) => id))
    const failed = findings.filter(({ result }) => result.status === 'fail')
    expect(failed.map(({ check: { id } }) => id)).toEqual(
      expect.arrayContaining([
        'upstream',
        'admin',
        'metrics',
        'first-answer',
        'docker',
        'prometheus-rules',
        'alertmanager',
      ]),
    )
    for (const { result } of failed) expect(result.fix).toMatch(/\w/)
  })
})
