import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { GPUS } from '../metrics/collected.ts'
import { AMD_VENDOR, CARD_FILES, parseCard, type CardTexts } from './amd/card.ts'
import { Absent, CollectError, type Collector } from './collector.ts'
import { createEnergy } from './energy.ts'
import { MAX_GPUS, measureGpu, type GpuSnapshot } from './gpu.ts'

export interface AmdOptions {
  /** `/sys`, or a folder that stands in for it. */
  readonly sysRoot: string
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Takes what every successful reading found. */
  readonly onGpus: (gpus: readonly GpuSnapshot[]) => void
}

/** Reads AMD's GPUs from what the kernel's driver shows as files. */
export function createAmd({ sysRoot, now, onGpus }: AmdOptions): Collector {
  const energy = createEnergy(now)
  let reading: Promise<readonly GpuSnapshot[]> | undefined

  /** A driver that hangs holds a thread of the few that Node has for files: never more than one. */
  async function readAlone(): Promise<readonly GpuSnapshot[]> {
    if (reading !== undefined) throw new CollectError('stuck', 'the amdgpu driver does not answer; reboot')
    reading = readGpus(sysRoot)
    try {
      return await reading
    } finally {
      reading = undefined
    }
  }

  return {
    name: 'amd',
    metrics: [
      ...[GPUS.info, GPUS.utilization, GPUS.memoryUtilization, GPUS.memoryUsed, GPUS.memoryTotal, GPUS.temperature],
      ...[GPUS.memoryTemperature, GPUS.power, GPUS.powerLimit, GPUS.energy, GPUS.smClock, GPUS.memoryClock, GPUS.fan],
    ],
    async collect(signal) {
      const gpus = await untilAborted(readAlone(), signal)
      energy.add(gpus)
      onGpus(gpus)
      return gpus.flatMap(measureGpu)
    },
    lasting: energy.read,
  }
}

/** Reads one file after the other. Cards of others, and connectors such as `card0-HDMI-A-1`, are left out. */
async function readGpus(sysRoot: string): Promise<readonly GpuSnapshot[]> {
  const driverVersion = (await readText(join(sysRoot, 'module/amdgpu/version'))) ?? ''
  const gpus = new Map<string, GpuSnapshot>()
  for (const number of await findCards(join(sysRoot, 'class/drm'))) {
    const texts = await readCard(join(sysRoot, 'class/drm', `card${number}`, 'device'))
    const gpu = parseCard(number, texts, driverVersion)
    if (gpu !== undefined && !gpus.has(gpu.uuid) && gpus.size < MAX_GPUS) gpus.set(gpu.uuid, gpu)
  }
  if (gpus.size === 0) throw absent(sysRoot)
  return [...gpus.values()]
}

/** The numbers of all cards, in order. */
async function findCards(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder)
    return names
      .flatMap((name) => /^card(\d{1,4})$/.exec(name)?.[1] ?? [])
      .sort((one, other) => Number(one) - Number(other))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw absent(folder, error)
    throw new CollectError('unreadable', `${folder} cannot be read: ${String(error)}`, { cause: error })
  }
}

async function readCard(device: string): Promise<CardTexts> {
  // Reading another vendor's files could wake up its GPU.
  if ((await readText(join(device, 'vendor'))) !== AMD_VENDOR) return {}
  const hwmon = (await readdir(join(device, 'hwmon')).catch(() => [])).find((name) => name.startsWith('hwmon')) ?? ''
  const texts: Partial<Record<keyof CardTexts, string>> = {}
  for (const file of CARD_FILES) {
    const text = await readText(join(device, file.replace('hwmon/', `hwmon/${hwmon}/`)))
    if (text !== undefined) texts[file] = text
  }
  return texts
}

/** Some files are missing on some chips, and some fail to be read while a GPU sleeps. */
function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
}

function absent(folder: string, cause?: Error): Absent {
  const message = `no AMD GPU in ${folder}: where there is one, load the kernel's amdgpu driver; in a container, mount /sys`
  return new Absent(message, { cause })
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new CollectError('timeout', 'the amdgpu driver took too long to answer'))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
