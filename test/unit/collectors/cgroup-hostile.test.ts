import { mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createCgroup } from '../../../src/collectors/cgroup.ts'
import { Absent, CollectError, type Measurement } from '../../../src/collectors/collector.ts'
import { runProgram } from '../../helpers/programs.ts'
import { createRandom, type Random } from '../../helpers/random.ts'
import { MACHINES, plantFiles, plantMachine, put, readMachine } from './cgroup-machine.ts'

const SEED = Number(process.env.COLLECTORS_SEED ?? 7)
const ROUNDS = 60
const WORDS = [
  '-1',
  'NaN',
  'Infinity',
  '1e400',
  '0x10',
  '9'.repeat(400),
  '18446744073709551616',
  'max',
  '',
  ' ',
  '\n',
  '\0',
] as const
const MORE = ['oom_kill', 'rbytes=', '0::', '9:memory:', '/..', '/', '(', ')', '\ud800', '\u00e9', 'Read', ':'] as const

/** A file as no kernel writes it: other words, lines twice or not at all, cut off, or nothing but noise. */
function spoil(random: Random, text: string): string {
  const word = () => (random.chance(0.5) ? random.pick(WORDS) : random.pick(MORE))
  const lines = text.split('\n')
  const at = random.below(lines.length)
  const fields = (lines[at] ?? '').split(' ')
  fields[random.below(fields.length)] = word()
  const spoilt = random.pick([
    () => lines.with(at, fields.join(' ')).join('\n'),
    () => [...lines, ...lines].join('\n'),
    () => lines.toSpliced(at, 1).join('\n'),
    () => text.slice(0, random.below(text.length + 1)),
    () => text.replaceAll(/\d+/g, (digits) => (random.chance(0.2) ? `-${digits}` : digits)),
    () => Array.from({ length: random.below(40) }, word).join(random.pick(['', ' ', '\n'])),
  ])
  return spoilt()
}

async function collectFrom(machine: ReturnType<typeof plantFiles>): Promise<readonly Measurement[] | undefined> {
  const { reader } = machine
  const options = { reader, name: 'ollama', known: () => [], onFound: () => undefined, wallClock: () => 1 }
  try {
    return await createCgroup(options).collect(AbortSignal.timeout(20_000))
  } catch (error) {
    if (error instanceof CollectError && ['permission', 'unreadable', 'gone'].includes(error.reason)) return undefined
    if (error instanceof Absent) return undefined
    throw error
  }
}

describe(`files that lie (COLLECTORS_SEED=${SEED})`, () => {
  it.each(MACHINES)('give honest numbers or none: %s', async (name) => {
    const { files, links } = readMachine(name)
    const paths = Object.keys(files)
    const random = createRandom(SEED + MACHINES.indexOf(name))
    let told = 0
    for (let round = 0; round < ROUNDS; round++) {
      const spoilt = { ...files }
      for (let some = 0; some <= random.below(4); some++) {
        const path = random.pick(['', ...paths]) || (paths[0] ?? '')
        spoilt[path] = spoil(random, files[path] ?? '')
      }
      const machine = plantFiles(spoilt, links)
      const measurements = (await collectFrom(machine)) ?? []
      if (measurements.length > 0) told++
      for (const { metric, value } of measurements) {
        const isHonest = Number.isFinite(value) && value >= 0
        expect(isHonest, `round ${round}: ${metric.name} ${value} of ${JSON.stringify(spoilt)}`).toBe(true)
      }
      for (const pid of [1, 7, 8, 812, 3030]) {
        const cgroup = await machine.reader.locate(pid)
        const kills = cgroup && (await machine.reader.readOomKills(cgroup).catch(() => undefined))
        expect(kills === undefined || (Number.isFinite(kills) && kills >= 0)).toBe(true)
      }
    }
    // Else nothing was tested.
    if (name !== 'session-v2') expect(told).toBeGreaterThan(ROUNDS / 10)
  })
})

describe('a file of a container', () => {
  const FOLDER = 'proc/1/root/sys/fs/cgroup'

  it('that is a pipe is not waited for', async () => {
    const machine = plantMachine('docker-v2-shared-pid')
    const path = join(machine.folder, FOLDER, 'memory.stat')
    rmSync(path)
    expect(await runProgram('mkfifo', [path], '')).toMatchObject({ code: 0 })
    const names = (await collectFrom(machine))?.map(({ metric }) => metric.name)
    expect(names).toContain('container_memory_usage_bytes')
    expect(names).not.toContain('container_memory_rss')
  })

  it('that has no end is given up', async () => {
    const machine = plantMachine('docker-v2-shared-pid')
    const path = join(machine.folder, FOLDER, 'memory.stat')
    rmSync(path)
    symlinkSync('/dev/zero', path)
    const names = (await collectFrom(machine))?.map(({ metric }) => metric.name)
    expect(names).toContain('container_memory_usage_bytes')
    expect(names).not.toContain('container_memory_rss')
  })

  it('that is a folder is no number', async () => {
    const machine = plantMachine('docker-v2-shared-pid', { [`${FOLDER}/io.stat`]: undefined })
    mkdirSync(join(machine.folder, FOLDER, 'io.stat'))
    const names = (await collectFrom(machine))?.map(({ metric }) => metric.name)
    expect(names).not.toContain('container_fs_reads_bytes_total')
  })
})

describe('a process that is its own ancestor', () => {
  it('is looked at once', async () => {
    const machine = plantMachine('systemd-v2')
    const { files } = readMachine('systemd-v2')
    put(machine.folder, 'proc/812/stat', (files['proc/812/stat'] ?? '').replace('S 1 812', 'S 813 812'))
    put(machine.folder, 'proc/813/stat', (files['proc/812/stat'] ?? '').replace('812 (ollama) S 1', '813 (sh) S 812'))
    put(machine.folder, 'proc/813/cgroup', files['proc/812/cgroup'] ?? '')
    expect(await machine.reader.findOllama('ollama')).toHaveLength(1)
  })
})
