import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp } from '../helpers/app.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { canMakeCgroups, startContainer } from './cgroup-container.ts'

const ID = 'f00d'.repeat(16)

describe.skipIf(!canMakeCgroups())(
  'an out-of-memory kill without a daemon [needs root and cgroups of version 1]',
  () => {
    it('is counted, and known after a restart of the collector', { timeout: 60_000 }, async () => {
      const container = await startContainer(ID)
      onTestFinished(container.end)
      const upstream = await startStandIn()
      const watch = async () => {
        const app = await startApp(upstream.port, { OLLASCOPE_COLLECTORS: 'ollama,cgroup' }, undefined, 'collector')
        onTestFinished(app.close)
        // Where other tests run one too, each has a part of its id in its name.
        const count = async () => {
          const { value } = await app.samples()
          const names = ['ollama', `ollama-${ID.slice(0, 12)}`]
          return names
            .map((name) => value('container_oom_events_total', { name, image: '' }))
            .find((it) => it !== undefined)
        }
        return { app, count }
      }
      const first = await watch()
      await waitFor('the counter', async () => (await first.count()) === 0)
      await container.overload()
      await waitFor('the kill', async () => (await first.count()) === 1)
      await first.app.close()

      const second = await watch()
      await waitFor('the counter again', async () => (await second.count()) === 1)
      await container.overload()
      await waitFor('the next kill', async () => (await second.count()) === 2)
      const { names } = await second.app.samples()
      for (const family of ['container_memory_working_set_bytes', 'container_cpu_usage_seconds_total']) {
        expect(names).toContain(family)
      }
    })
  },
)
