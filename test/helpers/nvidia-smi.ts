import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { Answer, Call, NvidiaSmiState } from './nvidia-smi-program.ts'
import { NODE } from './process.ts'

const PROGRAM = fileURLToPath(new URL('nvidia-smi-program.ts', import.meta.url))

/** A stand-in for nvidia-smi: a real program that plays what it is told. */
export interface NvidiaSmi {
  readonly folder: string
  /** Its path; it is called nvidia-smi. */
  readonly program: string
  /** From now on; what is left out stays. */
  readonly play: (state: Partial<NvidiaSmiState>) => void
  /** The query for GPUs is answered so. */
  readonly answer: (answer: Answer) => void
  /** Ends those that hang. */
  readonly release: () => void
  /** Its starts so far. */
  readonly calls: () => readonly Call[]
}

/** Plays a new driver with one GPU, until it is told else. */
export function createNvidiaSmi(): NvidiaSmi {
  const folder = mkdtempSync(join(tmpdir(), 'nvidia-smi-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, 'nvidia-smi')
  writeFileSync(program, `#!/bin/sh\nexec '${NODE}' '${PROGRAM}' '${folder}' "$@"\n`, { mode: 0o755 })
  let state: NvidiaSmiState = { fields: NEW_FIELDS, gpus: [RTX], processes: [], instead: {} }
  const play = (changed: Partial<NvidiaSmiState>) => {
    state = { ...state, ...changed }
    writeFileSync(join(folder, 'state.json'), JSON.stringify(state))
  }
  play({})
  writeFileSync(join(folder, 'calls'), '')
  return {
    folder,
    program,
    play,
    answer: (answer) => play({ instead: { gpus: answer } }),
    release: () => writeFileSync(join(folder, 'release'), ''),
    calls: () =>
      readFileSync(join(folder, 'calls'), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Call),
  }
}

/** What a driver of 2026 offers, of what is asked and of other things. */
export const NEW_FIELDS = [
  ['timestamp'],
  ['driver_version'],
  ['kmd_version'],
  ['count'],
  ['name', 'gpu_name'],
  ['uuid', 'gpu_uuid'],
  ['pci.bus_id', 'gpu_bus_id'],
  ['index'],
  ['persistence_mode'],
  ['fan.speed'],
  ['pstate'],
  ['clocks_event_reasons.active', 'clocks_throttle_reasons.active'],
  ['memory.total'],
  ['memory.reserved'],
  ['memory.used'],
  ['memory.free'],
  ['utilization.gpu'],
  ['utilization.memory'],
  ['ecc.errors.corrected.volatile.total'],
  ['ecc.errors.uncorrected.volatile.total'],
  ['temperature.gpu'],
  ['temperature.gpu.tlimit'],
  ['temperature.memory'],
  ['power.draw'],
  ['power.draw.average', 'gpu.power.draw.average'],
  ['enforced.power.limit', 'gpu.power.current_limit'],
  ['clocks.current.sm', 'clocks.sm'],
  ['clocks.current.memory', 'clocks.mem'],
  ['mig.mode.current'],
] as const

/** What one of 2019 offers: no MIG, no reserved memory, and other words for the reasons of its clocks. */
export const OLD_FIELDS = NEW_FIELDS.filter(
  ([field]) => !['kmd_version', 'memory.reserved', 'mig.mode.current', 'power.draw.average'].includes(field),
).map((spellings) => (spellings[0] === 'clocks_event_reasons.active' ? ['clocks_throttle_reasons.active'] : spellings))

/** A card for players under load. */
export const RTX = {
  index: '0',
  uuid: 'GPU-5b1f6f0a-93c2-4d7e-8a41-2c9d0e7b3f58',
  name: 'NVIDIA GeForce RTX 4090',
  'pci.bus_id': '00000000:01:00.0',
  driver_version: '580.65.06',
  kmd_version: '580.65.06',
  persistence_mode: 'Disabled',
  'memory.total': '24564',
  'memory.used': '9021',
  'memory.reserved': '411',
  'memory.free': '15132',
  'utilization.gpu': '97',
  'utilization.memory': '57',
  'temperature.gpu': '71',
  'temperature.memory': 'N/A',
  'power.draw': '312.45',
  'enforced.power.limit': '450.00',
  'fan.speed': '46',
  pstate: 'P2',
  'clocks_event_reasons.active': '0x0000000000000004',
  'clocks_throttle_reasons.active': '0x0000000000000004',
  'clocks.current.sm': '2520',
  'clocks.current.memory': '10251',
} as const

/** A partitioned server card: nobody knows how busy it is. */
export const MIG = {
  ...RTX,
  index: '1',
  uuid: 'GPU-e07c41d9-1b6a-4f33-9d58-71a2c5e80b46',
  name: 'NVIDIA H100 80GB HBM3',
  'pci.bus_id': '00000000:41:00.0',
  persistence_mode: 'Enabled',
  'memory.total': '81559',
  'memory.used': '10321',
  'utilization.gpu': '[N/A]',
  'utilization.memory': '[N/A]',
  'temperature.memory': '52',
  'fan.speed': '[N/A]',
  pstate: 'P0',
  'clocks_event_reasons.active': '0x0000000000000000',
  'ecc.errors.corrected.volatile.total': '3',
  'ecc.errors.uncorrected.volatile.total': '0',
  'mig.mode.current': 'Enabled',
} as const
