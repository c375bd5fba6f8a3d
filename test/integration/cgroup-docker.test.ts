import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCgroupReader } from '../../src/collectors/cgroup/reader.ts'
import { BUSYBOX, describeWithDockerd, startDockerd, type Dockerd } from '../helpers/dockerd.ts'
import { NODE, ROOT } from '../helpers/process.ts'

const MEMORY_BYTES = 64 * 1024 * 1024
/** What a program of this machine needs in a container that has nothing but BusyBox. */
const SYSTEM = ['/usr', '/lib', '/lib64'].map((path) => `--volume=${path}:${path}:ro`)

/** Says as JSON what the reader finds, in a container of its own. */
const SCRIPT = `
import { createCgroupReader } from ${JSON.stringify(`${ROOT}src/collectors/cgroup/reader.ts`)}
const reader = createCgroupReader({ procRoot: '/proc', sysRoot: '/sys' })
const look = async () => {
  const found = await reader.findOllama('ollama')
  const cgroup = await reader.locate(found[0].pid, found[0].id)
  const { memoryLimitBytes } = await reader.readUsage(cgroup)
  return { found, memoryLimitBytes, kills: await reader.readOomKills(cgroup) }
}
console.log(JSON.stringify(await look().catch(({ name, reason }) => ({ name, reason }))))`

describeWithDockerd('Ollama in a container of Docker', () => {
  const home = mkdtempSync(join(tmpdir(), 'ollascope-ollama-'))
  let daemon: Dockerd

  beforeAll(async () => {
    symlinkSync('/usr/bin/dash', join(home, 'ollama'))
    writeFileSync(join(home, 'serve'), 'while :; do sleep 1000; done\n')
    daemon = await startDockerd()
  }, 120_000)
  afterAll(async () => {
    await daemon.stop()
    rmSync(home, { recursive: true })
  })

  const volumes = [...SYSTEM, `--volume=${ROOT}:${ROOT}:ro`, `--volume=${home}:/ollama:ro`]

  /** A container with Ollama, in which the kernel has killed one process. @returns what is to be found of it */
  async function startOllama(name: string, namespace: string): Promise<object> {
    const args = [...volumes, `--cgroupns=${namespace}`, `--memory=${MEMORY_BYTES}`, '--stop-timeout=0']
    const id = await daemon.run('cd /ollama && exec ./ollama serve', { name, args })
    expect(await daemon.docker('exec', name, 'sh', '-c', 'tail /dev/zero >/dev/null 2>&1; echo $?')).toBe('137')
    return { found: [{ id, pid: 1, name: 'ollama' }], memoryLimitBytes: MEMORY_BYTES, kills: 1 }
  }

  /** What the reader finds, by this command of Docker's and its arguments. */
  async function lookBy(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await daemon.docker(...args, NODE, '--input-type=module', '-e', SCRIPT))
  }

  /** In another container, which shares the pid namespace of that one. */
  function lookBeside(name: string, ...args: readonly string[]): Promise<unknown> {
    return lookBy('run', '--rm', '--network=none', `--pid=container:${name}`, ...volumes, ...args, BUSYBOX)
  }

  describe.each(['host', 'private'])('with the cgroup namespace %s', (namespace) => {
    const name = `ollama-${namespace}`
    let expected: object

    beforeAll(async () => {
      expected = await startOllama(name, namespace)
    })

    it('is read from a container that shares its pid namespace', async () => {
      expect(await lookBeside(name, `--cgroupns=${namespace}`)).toMatchObject(expected)
    })

    it('is read from within its container', async () => {
      expect(await lookBy('exec', name)).toMatchObject(expected)
    })

    it('is read from the host', async () => {
      const reader = createCgroupReader({ procRoot: '/proc', sysRoot: '/sys' })
      const id = await daemon.docker('inspect', '--format={{.Id}}', name)
      const found = (await reader.findOllama('ollama')).find((one) => one.id === id)
      expect(found?.pid).toBe(await daemon.pidOf(name))
      const started = Date.parse(await daemon.docker('inspect', '--format={{.State.StartedAt}}', name))
      expect(Math.abs((found?.startedAt ?? 0) - started)).toBeLessThan(5000)
      const cgroup = await reader.locate(found?.pid ?? 0, id)
      expect(cgroup && (await reader.readOomKills(cgroup))).toBe(1)
    })
  })

  describe('that is root there', () => {
    let expected: object

    beforeAll(async () => {
      expected = await startOllama('ollama', 'private')
    })

    // Docker gives no capability to another user, whatever is added.
    it.each(['--user=65534', '--user=65534 --cap-add=SYS_PTRACE', '--cap-drop=ALL'])(
      'is hidden from a container with %s',
      async (restrictions) => {
        const found = await lookBeside('ollama', ...restrictions.split(' '))
        expect(found).toEqual({ name: 'CollectError', reason: 'permission' })
      },
    )

    it('is read with no capability but to trace', async () => {
      expect(await lookBeside('ollama', '--cap-drop=ALL', '--cap-add=SYS_PTRACE')).toMatchObject(expected)
    })
  })
})
