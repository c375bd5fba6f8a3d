import type { Processor } from '../ollama/inventory.ts'

/** What a model runs on; `gpu` is one of which nobody tells the maker. */
export type Platform = 'nvidia' | 'amd' | 'gpu' | 'metal' | 'cpu'
export const PLATFORMS: readonly Platform[] = ['nvidia', 'amd', 'gpu', 'metal', 'cpu']

export interface Measured {
  /** Decoded, of one request. */
  readonly tokensPerSecond: number
  readonly platform: Platform
  /** What `/api/ps` says of the model. */
  readonly processor: Processor
  /** Billions of parameters; `undefined` where nobody tells. */
  readonly billions: number | undefined
}

/** `healthy` is a GPU's speed; `under_used` below that; `no_gpu` what a CPU does; `cpu` where it runs there anyway. */
type SpeedLevel = 'healthy' | 'under_used' | 'no_gpu' | 'cpu'

export interface Verdict {
  readonly level: SpeedLevel
  readonly text: string
}

/** Tokens a second of a model with 7 billion parameters: at least what is healthy, and below which there is no GPU at work. */
const OF_7B: Readonly<Record<Exclude<Platform, 'cpu'>, { readonly healthy: number; readonly least: number }>> = {
  nvidia: { healthy: 40, least: 10 },
  amd: { healthy: 40, least: 10 },
  gpu: { healthy: 40, least: 10 },
  metal: { healthy: 7, least: 0 },
}

/** Small models are held up by other things than their size, and large ones are spread over several GPUs. */
const MAX_FACTOR = 3
const MIN_FACTOR = 0.1

/** Whether that is a GPU's speed. */
export function judgeSpeed({ tokensPerSecond, platform, processor, billions }: Measured): Verdict {
  const rate = `${roundRate(tokensPerSecond)} tokens/s`
  if (processor === 'cpu' || platform === 'cpu') return { level: 'cpu', text: `${rate} on the CPU: no GPU's speed` }
  const factor = billions === undefined ? 1 : Math.min(MAX_FACTOR, Math.max(MIN_FACTOR, 7 / billions))
  const healthy = OF_7B[platform].healthy * factor
  const least = OF_7B[platform].least * factor
  const wanted = `${roundRate(healthy)} or more is healthy for ${sizeText(billions)} on ${NAMES[platform]}`
  if (tokensPerSecond >= healthy) return { level: 'healthy', text: `${rate}, a GPU's speed (${wanted})` }
  if (tokensPerSecond >= least) return { level: 'under_used', text: `${rate}: the GPU is under-used (${wanted})` }
  return { level: 'no_gpu', text: `${rate}: as if there were no GPU (${wanted})` }
}

const NAMES: Readonly<Record<Exclude<Platform, 'cpu'>, string>> = {
  nvidia: 'NVIDIA',
  amd: 'AMD',
  gpu: 'a GPU',
  metal: 'Metal',
}

function sizeText(billions: number | undefined): string {
  return billions === undefined ? 'a 7B model (its size is not known)' : `${roundRate(billions)} billion parameters`
}

export function roundRate(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 10) / 10
}

const UNITS: Readonly<Record<string, number>> = { K: 1e-6, M: 1e-3, B: 1, T: 1e3 }

/** Billions of parameters, of what Ollama writes: `268.10M`, `7.6B`. */
export function parseBillions(parameterSize: string | undefined): number | undefined {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([KMBT])$/i.exec(parameterSize ?? '') ?? []
  const factor = UNITS[unit.toUpperCase()]
  const billions = digits === undefined || factor === undefined ? 0 : Number(digits) * factor
  return billions > 0 ? billions : undefined
}
