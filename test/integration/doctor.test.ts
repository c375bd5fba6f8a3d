import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CHECKS } from '../../src/doctor/checks.ts'
import { startApp } from '../helpers/app.ts'
import { isFields, type Fields } from '../helpers/json.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { runCommand } from './doctor-command.ts'
import { folderOfTest, NOWHERE } from './doctor-context.ts'
import { anyString } from './doctor-matchers.ts'

/** Nothing of this machine, and nobody at the usual ports: what is there is the test's. */
function alone(): Record<string, string> {
  const nothing = folderOfTest()
  return {
    OLLASCOPE_NVIDIA_SMI: join(nothing, 'nvidia-smi'),
    OLLASCOPE_SYS_ROOT: nothing,
    OLLASCOPE_DOCKER_HOST: `unix://${nothing}/docker.sock`,
  }
}

async function startDeployment(): Promise<Record<string, string>> {
  const standIn = await startStandIn()
  const app = await startApp(standIn.port)
  onTestFinished(app.close)
  await waitFor('ollama_up', async () => (await app.samples()).value('ollama_up') === 1)
  await waitFor('readiness', async () => (await fetch(`${app.adminUrl}/readyz`)).ok)
  return {
    ...alone(),
    OLLASCOPE_UPSTREAM: standIn.url,
    OLLASCOPE_LISTEN: `127.0.0.1:${app.proxyPort}`,
    OLLASCOPE_ADMIN_LISTEN: `127.0.0.1:${app.adminPort}`,
    OLLAMA_MODEL: 'gemma3:270m',
  }
}

/** All but what depends on what else runs on this machine: its disk, Prometheus and Alertmanager. */
const OWN = CHECKS.map(({ id }) => id).filter((id) => !/^(disk|prometheus-.*|alertmanager|clock)$/.test(id))
const TIMES = ['--timeout', '60s', '--answer-timeout', '60s']

describe('doctor, whole', () => {
  it('a healthy deployment: a table in its order, exit 0', async () => {
    const { code, stdout, stderr } = await runCommand(
      ['doctor', ...TIMES, '--only', OWN.join(',')],
      await startDeployment(),
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const titles = CHECKS.filter(({ id }) => OWN.includes(id)).map(({ title }) => title)
    const lines = stdout.split('\n').filter((line) => /^(ok|skip|WARN|FAIL) /.test(line))
    expect(lines.map((line) => titles.find((title) => line.slice(6).startsWith(`${title} `)))).toEqual(titles)
    expect(stdout).toMatch(/\nhealthy: 0 failed, 0 to look at, \d+ ok, \d+ skipped\n$/)
    for (const title of [
      'Ollama answers',
      'Proxy adds nothing',
      'Admin listener is ready',
      'Metrics scrape',
      'First answer',
      'Tokens/s',
    ])
      expect(stdout).toMatch(new RegExp(`^ok +${title}`, 'm'))
  })

  it('a GPU that is expected and not there: exit 1, and each failure says what to type', async () => {
    const env = { ...(await startDeployment()), OLLASCOPE_GPU_EXPECTED: 'true' }
    const { code, stdout } = await runCommand(['doctor', '--json', ...TIMES, '--only', OWN.join(',')], env)
    expect(code).toBe(1)
    const report = JSON.parse(stdout) as Fields
    expect(report).toMatchObject({ version: anyString(), healthy: false })
    const checks = (report.checks as unknown[]).filter(isFields)
    expect(checks.map(({ id }) => id)).toEqual(OWN)
    for (const check of checks) {
      expect(Object.keys(check)).toEqual(['id', 'title', 'status', 'detail', 'fix', 'seconds'])
      expect(check.fix === null).toBe(check.status === 'ok' || check.status === 'skip')
    }
    const failed = checks.filter(({ status }) => status === 'fail').map(({ id }) => id)
    expect(failed).toEqual(['nvidia', 'models-on-gpu', 'speed'])
    expect(report.counts).toMatchObject({ fail: 3 })
  })

  it('nothing at all: exit 1', async () => {
    const env = {
      ...alone(),
      OLLASCOPE_UPSTREAM: NOWHERE,
      OLLASCOPE_LISTEN: '127.0.0.1:3',
      OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:2',
    }
    const { code, stdout } = await runCommand(['doctor', '--only', 'upstream,proxy,admin,ports'], env)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^FAIL +Ollama answers .*refused.*\n +-> ollama serve/m)
    expect(stdout).toMatch(/\nNOT healthy: 3 failed, 0 to look at, 1 ok, 0 skipped\n$/)
  })

  it.each([
    [['--only', 'luck'], 'there is no check "luck"'],
    [['--timeout', 'soon'], '--timeout is not a duration'],
    [['--prometheus', 'localhost'], '--prometheus must be'],
    [['--loud'], '--loud'],
  ])('%j: exit 2', async (args, says) => {
    const { code, stdout, stderr } = await runCommand(['doctor', ...args])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
  })

  it('bad settings: exit 2, as everywhere', async () => {
    expect(await runCommand(['doctor'], { OLLASCOPE_UPSTREAM: 'ftp://x' })).toMatchObject({ code: 2, stdout: '' })
  })

  it('--help lists all checks', async () => {
    const { code, stdout } = await runCommand(['doctor', '--help'])
    expect(code).toBe(0)
    for (const { id } of CHECKS) expect(stdout).toContain(`  ${id} `)
  })
})
