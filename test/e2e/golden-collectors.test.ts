import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { plantFiles, readMachine } from '../unit/collectors/cgroup-machine.ts'
import { fakeContainer, startFakeDocker } from '../helpers/docker-fake.ts'
import { STATS_V2 } from '../helpers/docker-captures.ts'
import { describeWith } from '../helpers/needs.ts'
import { createNvidiaSmi } from '../helpers/nvidia-smi.ts'
import { announcement, builtProgram, NODE, ROOT, serveEnv, startProgram, watchServe } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'
import { compareLines, hideVolatile, type Volatile } from '../helpers/scrape.ts'
import { startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'

/**
 * What `ollascope collector` says of a machine that is made of files: an Ollama, a GPU of each vendor, a container that
 * a daemon tells of, one that only its cgroup tells of, and a host. A line that changes here changes in dashboards.
 */
const GOLDEN = join(ROOT, 'test/e2e/golden/collectors.txt')
const UPDATE = 'UPDATE_GOLDEN=1 npx vitest run test/e2e/golden-collectors.test.ts'

const VOLATILE: readonly Volatile[] = [
  { name: /^ollama_poll_duration_seconds$/, hides: 'value', reason: 'times on this machine' },
  { name: /^ollascope_collector_duration_seconds$/, hides: 'value', reason: 'times on this machine' },
  { name: /^ollascope_collector_last_success_timestamp_seconds$/, hides: 'value', reason: 'the time of day' },
  { name: /^container_last_seen$/, hides: 'value', reason: 'the time of day' },
  { name: /^ollama_gpu_energy_joules_total$/, hides: 'value', reason: 'power over the time between two looks' },
  { name: /^node_filesystem_(avail|size)_bytes$/, hides: 'value', reason: 'the disk of this machine' },
  { name: /^ollascope_build_info$/, hides: 'labels', reason: 'the version, the commit and the Node that runs it' },
  { name: /^process_/, hides: 'samples', reason: 'the state of the process, as the operating system tells it' },
  { name: /^nodejs_/, hides: 'samples', reason: 'the state of Node: its version, memory, collections of garbage' },
]

const AMD_CARD = {
  vendor: '0x1002\n',
  unique_id: '3f9a61c2b7d04e58\n',
  product_name: 'Radeon RX 7900 XTX\n',
  mem_info_vram_total: '25753026560\n',
  mem_info_vram_used: '9663676416\n',
  gpu_busy_percent: '93\n',
  'hwmon/hwmon4/temp1_input': '61000\n',
  'hwmon/hwmon4/temp1_label': 'edge\n',
  'hwmon/hwmon4/power1_average': '200000000\n',
}

/** A tree that stands in for /proc and /sys. */
function plantHost() {
  const { files, links } = readMachine('systemd-v2')
  const proc = ['meminfo', 'vmstat', 'loadavg', 'stat', 'self/mountinfo'].map(
    (name) => [`proc/${name}`, readFileSync(join(ROOT, 'test/captures/proc', name), 'utf8')] as const,
  )
  const card = Object.entries(AMD_CARD).map(([name, text]) => [`sys/class/drm/card0/device/${name}`, text] as const)
  return plantFiles({ ...files, ...Object.fromEntries([...proc, ...card]) }, links)
}

describeWith(['promtool'], 'a scrape of all collectors', () => {
  test('is the golden one, and promtool finds nothing to complain about', { timeout: 60_000 }, async () => {
    const host = plantHost()
    const docker = await startFakeDocker([fakeContainer(1, { stats: STATS_V2 })])
    const env = serveEnv((await startStandIn()).port, {
      OLLASCOPE_COLLECTORS: 'ollama,nvidia,amd,docker,cgroup,host',
      OLLASCOPE_NVIDIA_SMI: createNvidiaSmi().program,
      OLLASCOPE_GPU_PROCESSES: 'true',
      OLLASCOPE_DOCKER_HOST: docker.host,
      OLLASCOPE_PROC_ROOT: host.procRoot,
      OLLASCOPE_SYS_ROOT: host.sysRoot,
      OLLAMA_MODELS: host.folder,
    })
    const running = startProgram(NODE, [builtProgram(), 'collector'], { env })
    const ready = await waitFor('the line that says where it listens', () => announcement(running, 'admin'))
    const collector = watchServe(running, { proxy: '', ...ready })
    const scrape = await waitFor('all collectors', async () => {
      const text = await collector.scrape()
      return [...text.matchAll(/^ollascope_collector_success\{.*\} 1$/gm)].length === 6 && text
    })

    const actual = hideVolatile(scrape, VOLATILE)
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(GOLDEN, `${actual.join('\n')}\n`)
    const expected = readFileSync(GOLDEN, 'utf8').trimEnd().split('\n')
    const difference = compareLines(expected, actual)
    expect(difference, `the scrape differs from ${GOLDEN}; if that is meant: ${UPDATE}`).toBe('')

    const { stdout, stderr } = await runProgram('promtool', ['check', 'metrics'], scrape)
    // The names are those of node_exporter and cAdvisor.
    const foreign = /^(node_|container_)/
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !foreign.test(line))).toEqual([])
    expect(scrape).not.toMatch(/NaN|undefined/)
  })
})
