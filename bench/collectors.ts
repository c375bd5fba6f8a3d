// What each collector costs at its default interval: CPU of this process, and children started; see README.md.
//   SECONDS=60 node bench/collectors.ts [collector ...]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const SECONDS = Number(process.env.SECONDS ?? '60')
if (!(SECONDS > 0)) throw new Error('SECONDS is no number')
/** A run each second, so that there is something to measure; by default there are so many a minute. */
const RUNS_A_MINUTE = 6
const WARM_UP_MS = 5000
const ALL = ['none', 'ollama', 'nvidia', 'amd', 'docker', 'cgroup', 'host']

const folder = mkdtempSync(join(tmpdir(), 'ollascope-bench-'))
const childrenLog = join(folder, 'children')
/** Notes every child that is started, whoever starts it. */
const COUNT = `import { ChildProcess } from 'node:child_process'
import { appendFileSync } from 'node:fs'
const { spawn } = ChildProcess.prototype
ChildProcess.prototype.spawn = function (options) {
  appendFileSync(${JSON.stringify(childrenLog)}, options.file + '\\n')
  return spawn.call(this, options)
}`

interface Cost {
  readonly collector: string
  /** Of the process, in milliseconds. */
  readonly cpuMs: number
  readonly children: number
  /** Bytes. */
  readonly rss: number
  readonly works: boolean
}

async function measure(collector: string): Promise<Cost> {
  writeFileSync(childrenLog, '')
  const child = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(COUNT)}`, PROGRAM, 'collector'],
    {
      env: {
        ...process.env,
        OLLASCOPE_COLLECTORS: collector,
        OLLASCOPE_COLLECT_INTERVAL: '1s',
        OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:0',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const ready = Promise.withResolvers<string>()
  createInterface(child.stdout).on('line', (line) => {
    const { admin } = JSON.parse(line) as { admin?: string }
    if (admin !== undefined) ready.resolve(admin)
  })
  child.once('close', () => ready.reject(new Error('it ended')))
  try {
    const admin = await ready.promise
    const scrape = async () => await (await fetch(`${admin}/metrics`)).text()
    await pause(WARM_UP_MS)
    const before = cpuOf(child.pid)
    const childrenBefore = childCount()
    await pause(SECONDS * 1000)
    const cpuMs = cpuOf(child.pid) - before
    const children = childCount() - childrenBefore
    const text = await scrape()
    const works = collector === 'none' || text.includes(`ollascope_collector_success{collector="${collector}"} 1`)
    const [, rss = '0'] = /^process_resident_memory_bytes (\S+)$/m.exec(text) ?? []
    return { collector, cpuMs, children, rss: Number(rss), works }
  } finally {
    child.kill()
    await once(child, 'close')
  }
}

/** User and system time of a process, in milliseconds. */
function cpuOf(pid = 0): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [utime, stime] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return ((utime ?? NaN) + (stime ?? NaN)) * 10
}

function childCount(): number {
  return readFileSync(childrenLog, 'utf8').split('\n').length - 1
}

try {
  const wanted = process.argv.slice(2)
  console.log('| collector | CPU a minute | children a minute | RSS |')
  console.log('| --------- | -----------: | ----------------: | --: |')
  let idle: Cost | undefined
  for (const collector of wanted.length > 0 ? ['none', ...wanted] : ALL) {
    const cost = await measure(collector)
    idle ??= cost
    const perRun = (value: number) => (value / SECONDS) * RUNS_A_MINUTE
    const cpu = collector === 'none' ? (cost.cpuMs / SECONDS) * 60 : perRun(cost.cpuMs - idle.cpuMs)
    const cells = cost.works
      ? [`${cpu.toFixed(0)} ms`, perRun(cost.children).toFixed(1), `${(cost.rss / 2 ** 20).toFixed(0)} MiB`]
      : ['not here', '', '']
    console.log(`| ${[collector, ...cells].join(' | ')} |`)
  }
} finally {
  rmSync(folder, { recursive: true })
}
