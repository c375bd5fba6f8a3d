import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Role } from '../../src/app.ts'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { LOAD, playLoad } from '../helpers/load.ts'
import { serveStandIn, type RunningStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

/** What each process says of itself, whatever it does. */
const OF_EACH =
  /^(process_|nodejs_|ollascope_(build_info|uncaught_errors_total|log_lines_dropped_total|label_overflow_total)$)/

let upstream: RunningStandIn
const apps = new Map<Role, RunningApp>()

async function start(role: Role): Promise<RunningApp> {
  const app = await startApp(upstream.port, { OLLASCOPE_COLLECTORS: 'ollama,host' }, undefined, role)
  apps.set(role, app)
  await waitFor('readiness', async () => (await fetch(`${app.adminUrl}/readyz`)).ok)
  return app
}

function running(role: Role): RunningApp {
  const app = apps.get(role)
  if (app === undefined) throw new Error(`${role} does not run`)
  return app
}

async function families(role: Role): Promise<string[]> {
  const text = await (await fetch(`${running(role).adminUrl}/metrics`)).text()
  return [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name)
}

beforeAll(async () => {
  upstream = await serveStandIn()
  await Promise.all((['serve', 'proxy', 'collector'] as const).map(start))
})
afterAll(async () => {
  for (const app of apps.values()) await app.close()
  await upstream.close()
})

describe('proxy and collector', () => {
  it('export what serve exports, and nothing twice', async () => {
    const [both, proxy, collector] = [await families('serve'), await families('proxy'), await families('collector')]
    expect(proxy.filter((name) => collector.includes(name) && !OF_EACH.test(name))).toEqual([])
    expect([...new Set([...proxy, ...collector])].toSorted()).toEqual(both.toSorted())
    expect(new Set(both).size).toBe(both.length)
    expect(proxy.filter((name) => name.startsWith('ollama_')).length).toBeGreaterThan(20)
    expect(collector.filter((name) => /^(ollama|node|container)_/.test(name)).length).toBeGreaterThan(50)
  })

  it('count no exchange twice', async () => {
    const app = running('proxy')
    await app.receipts(await playLoad(app.proxyPort))
    expect((await app.samples()).sum('ollama_requests_total')).toBe(LOAD.length)
    const collector = await running('collector').samples()
    expect([...collector.names].filter((name) => /_requests_total$|_inference_/.test(name))).toEqual([])
    expect(collector.value('ollama_loaded_models')).toBe(2)
  })

  it('both know what is loaded: receipts and /status tell where it runs', async () => {
    const receipts = await running('proxy').receipts(1)
    expect(new Set(receipts.map(({ processor }) => processor))).toContain('cpu')
    for (const role of ['proxy', 'collector', 'serve'] as const) {
      const status: unknown = await (await fetch(`${running(role).adminUrl}/status`)).json()
      expect(status).toMatchObject({ role, models: [{ processor: 'cpu' }, { processor: 'cpu' }] })
    }
  })

  it('tell which collectors run where', async () => {
    const statusOf = async (role: Role) => {
      const { collectors } = (await (await fetch(`${running(role).adminUrl}/status`)).json()) as {
        collectors: { name: string; status: string }[]
      }
      return Object.fromEntries(collectors.map(({ name, status }) => [name, status]))
    }
    const off = { ollama: 'off', nvidia: 'off', amd: 'off', docker: 'off', cgroup: 'off', host: 'off' }
    expect(await statusOf('proxy')).toEqual(off)
    expect(await statusOf('collector')).toEqual({ ...off, ollama: 'ok', host: 'ok' })
  })

  it('the collector takes no requests of users', () => {
    expect(running('collector').proxyPort).toBe(0)
  })
})
