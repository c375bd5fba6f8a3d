/** A model that is installed, as `/api/tags` lists it. */
export interface InstalledModel {
  readonly name: string
  readonly digest: string | undefined
  readonly family: string | undefined
  /** As Ollama writes it: `268.10M`. */
  readonly parameterSize: string | undefined
  readonly quantization: string | undefined
}

/** A model that is in memory now, as `/api/ps` lists it. */
export interface LoadedModel extends InstalledModel {
  readonly sizeBytes: number | undefined
  readonly vramBytes: number | undefined
  readonly contextLength: number | undefined
  /** Seconds since 1970. Can lie in the past, or 292 years ahead. */
  readonly expiresAt: number | undefined
}

/** @returns `undefined` for an answer that is no list of models. */
export function parsePs(json: unknown): LoadedModel[] | undefined {
  return models(json)?.map((model) => ({
    ...installed(model),
    sizeBytes: size(model.size),
    // Go leaves a zero out where the field says omitempty: absent is on the CPU.
    vramBytes: size(model.size_vram ?? 0),
    contextLength: size(model.context_length),
    expiresAt: timestamp(model.expires_at),
  }))
}

/** @returns `undefined` for an answer that is no list of models. */
export function parseTags(json: unknown): InstalledModel[] | undefined {
  return models(json)?.map(installed)
}

/** @returns `undefined` for an answer that names no version. */
export function parseVersion(json: unknown): string | undefined {
  return isFields(json) ? text(json.version)?.slice(0, MAX_VERSION) : undefined
}

/** It becomes a label. */
const MAX_VERSION = 64

function installed(model: Fields): InstalledModel {
  const details = isFields(model.details) ? model.details : {}
  return {
    name: String(model.name),
    digest: text(model.digest),
    family: text(details.family),
    parameterSize: text(details.parameter_size),
    quantization: text(details.quantization_level),
  }
}

export type Processor = 'gpu' | 'cpu' | 'mixed' | 'unknown'

/** Where a loaded model runs, by the rules of `ollama ps`; the ratio is of its bytes on the GPU, 0 to 1. */
export function processorOf(model: LoadedModel | undefined): { processor: Processor; gpuRatio: number | undefined } {
  const { sizeBytes, vramBytes } = model ?? {}
  if (sizeBytes === undefined || vramBytes === undefined || sizeBytes === 0 || vramBytes > sizeBytes) {
    return { processor: 'unknown', gpuRatio: undefined }
  }
  if (vramBytes === 0) return { processor: 'cpu', gpuRatio: 0 }
  return { processor: vramBytes === sizeBytes ? 'gpu' : 'mixed', gpuRatio: vramBytes / sizeBytes }
}

type Fields = Readonly<Record<string, unknown>>

function models(json: unknown): Fields[] | undefined {
  if (!isFields(json)) return undefined
  const list = json.models
  if (list === null || list === undefined) return [] // Go writes an empty list as null in places
  return Array.isArray(list) ? list.filter(isFields).filter(({ name }) => typeof name === 'string') : undefined
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function size(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

function timestamp(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : NaN
  return Number.isNaN(ms) ? undefined : ms / 1000
}
