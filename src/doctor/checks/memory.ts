import { totalmem } from 'node:os'
import { amountOf, fieldsOf } from '../../collectors/docker/fields.ts'
import { readFilesystem } from '../../collectors/host/filesystem.ts'
import { readProc } from '../../collectors/host/readings.ts'
import { processorOf } from '../../ollama/inventory.ts'
import { fullModelName } from '../../ollama/model-name.ts'
import { fail, ok, skip, warn, type Check, type Result } from '../check.ts'
import type { Context } from '../context.ts'
import { expectsGpu, isMetal, localGpus } from '../gpus.ts'
import { gigabytes, memoryWanted, type StoredModel } from '../models.ts'

const SMALLER = 'take a smaller model or quantisation, or a smaller num_ctx: ollama list; ollama pull NAME'

export const vram: Check = {
  id: 'vram',
  title: 'VRAM holds the model',
  slow: true,
  async run(context) {
    const model = await wantedModel(context)
    if (typeof model === 'string') return skip(model)
    const loaded = (await context.loaded().catch(() => [])).find(
      ({ name }) => fullModelName(name) === fullModelName(model.name),
    )
    const { processor } = processorOf(loaded)
    if (processor === 'gpu') return ok(`${model.name} is in it`)
    const { sizeBytes = 0, vramBytes = 0 } = loaded ?? {}
    if (processor === 'mixed')
      return warn(`${gigabytes(vramBytes)} of ${gigabytes(sizeBytes)} of ${model.name} are in it`, SMALLER)
    const local = (await localGpus(context)).map(
      ({ numbers }) => [numbers.memoryUsedBytes, numbers.memoryTotalBytes] as const,
    )
    const seen = (await context.collection().catch(() => undefined))?.gpus.map(
      ({ usedBytes, totalBytes }) => [usedBytes, totalBytes] as const,
    )
    const gpus = local.length > 0 ? local : (seen ?? [])
    if (gpus.length === 0) return skip('no GPU tells its memory here')
    const free = gpus.reduce((sum, [used = 0, total = 0]) => sum + total - used, 0)
    return judgeRoom(model.name, model.bytes, free, 'VRAM')
  },
}

export const ram: Check = {
  id: 'ram',
  title: 'RAM holds the model',
  async run(context) {
    const { config, loaded } = context
    const model = await wantedModel(context)
    if (typeof model === 'string') return skip(model)
    const isLoaded = (await loaded().catch(() => [])).some(
      ({ name }) => fullModelName(name) === fullModelName(model.name),
    )
    if (isLoaded) return ok(`${model.name} is loaded`)
    const isCpus = config.cpuModels.includes(fullModelName(model.name))
    if ((await expectsGpu(context)).expected && !isCpus && !isMetal(context))
      return skip(`${model.name} is meant for VRAM`)
    const available = (await readProc(config.collect.procRoot))?.memoryAvailableBytes ?? totalmem()
    return judgeRoom(model.name, model.bytes, available, 'RAM')
  },
  slow: true,
}

/** A virtual machine (Docker Desktop), and a limit of the container, leave less than the host has. */
export const dockerMemory: Check = {
  id: 'docker-memory',
  title: "Docker's memory holds the model",
  async run(context) {
    const answers = await context.docker().catch(() => undefined)
    const container = answers?.ollama[0]
    if (answers === undefined || container === undefined) return skip('Ollama runs in no container here')
    const model = await wantedModel(context)
    if (typeof model === 'string') return skip(model)
    const limit = amountOf(fieldsOf(container.inspected.HostConfig).Memory) ?? 0
    const total = amountOf(answers.info?.MemTotal) ?? 0
    const bounds = [limit, total].filter((bytes) => bytes > 0)
    if (bounds.length === 0) return skip('Docker tells neither a limit nor its memory')
    const least = Math.min(...bounds)
    const what = least === limit ? `the limit of ${container.listed.name}` : "Docker's memory"
    const fix = `docker update --memory 16g --memory-swap 16g ${container.listed.name}    (Docker Desktop: Settings, Resources, Memory)`
    const result = judgeRoom(model.name, model.bytes, least, what)
    if (result.status !== 'fail') return result
    // Weights that go to the GPU pass through RAM piece by piece.
    return (await expectsGpu(context)).expected ? warn(result.detail, fix) : fail(result.detail, fix)
  },
}

/** What a model wants against what there is. */
export function judgeRoom(model: string, bytes: number, room: number, what: string): Result {
  const wanted = memoryWanted(bytes)
  const detail = `${model} wants ${gigabytes(wanted)}, ${what} has ${gigabytes(room)}`
  return room >= wanted ? ok(detail) : fail(detail, SMALLER)
}

/** OLLAMA_MODEL, else one that is in memory; else why there is none. */
async function wantedModel({ config, stored, loaded }: Context): Promise<(StoredModel & { bytes: number }) | string> {
  const all = await stored().catch(() => undefined)
  if (all === undefined) return 'Ollama does not tell its models'
  const name = config.ollamaModel ?? (await loaded().catch(() => []))[0]?.name
  if (name === undefined) return 'no model to judge: set OLLAMA_MODEL'
  const model = all.find((one) => fullModelName(one.name) === fullModelName(name))
  if (model?.bytes === undefined) return `Ollama does not tell how large ${name} is`
  return { ...model, bytes: model.bytes }
}

const LOW_BYTES = 10e9
const FULL_BYTES = 1e9

export const disk: Check = {
  id: 'disk',
  title: 'Disk of the models',
  async run({ config: { collect } }) {
    const store = await readFilesystem(collect.procRoot, collect.modelStores)
    if (store === undefined)
      return skip(`no folder of models is here (${collect.modelStores.join(', ')}): set OLLAMA_MODELS`)
    return judgeDisk(store.availableBytes, store.labels.mountpoint)
  },
}

export function judgeDisk(freeBytes: number, mountpoint: string): Result {
  const detail = `${gigabytes(freeBytes)} free${mountpoint === '' ? '' : ` on ${mountpoint}`}`
  const fix = 'ollama list; ollama rm NAME    (or a larger disk: 100 GB for production)'
  if (freeBytes < FULL_BYTES) return fail(`${detail}: nothing can be pulled`, fix)
  return freeBytes < LOW_BYTES ? warn(`${detail}: less than one more 7B model wants`, fix) : ok(detail)
}
