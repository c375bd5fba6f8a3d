import { decodeRate } from '../../ollama/derived.ts'
import { processorOf, type LoadedModel } from '../../ollama/inventory.ts'
import { fullModelName } from '../../ollama/model-name.ts'
import { judgeSpeed, parseBillions, type Platform } from '../../bench/speed.ts'
import { fail, messageOf, ok, skip, warn, type Check, type Result } from '../check.ts'
import type { Context } from '../context.ts'
import { expectsGpu, isMetal, localGpus } from '../gpus.ts'

const NO_MODEL = 'no model is in memory: set OLLAMA_MODEL, and doctor loads it'
/** What brings a model back to the GPU: it looks for one only when it starts. */
const TO_GPU = 'docker restart ollama    (native: sudo systemctl restart ollama); then ollama ps'

/** What Ollama says: `100% GPU`. */
export const modelsOnGpu: Check = {
  id: 'models-on-gpu',
  title: 'Models are on the GPU',
  slow: true,
  async run(context) {
    const models = await context.loaded().catch((error: unknown) => messageOf(error))
    if (typeof models === 'string') return skip(`/api/ps does not tell: ${models}`)
    if (models.length === 0) return skip(NO_MODEL)
    const meant = new Set(context.config.cpuModels)
    const { expected, because } = await expectsGpu(context)
    const detail = models.map(
      (model) => `${model.name} ${shareOf(model)}${meant.has(fullModelName(model.name)) ? ' as meant' : ''}`,
    )
    const judged = models.filter(({ name }) => !meant.has(fullModelName(name)))
    const processors = new Set(judged.map((model) => processorOf(model).processor))
    const text = detail.join(', ')
    if (!expected) return ok(`${text} (${because})`)
    if (processors.has('cpu')) {
      return fail(
        `${text}; a GPU is expected (${because})`,
        `${TO_GPU}; if it is meant: processor: cpu in OLLASCOPE_CONFIG`,
      )
    }
    if (processors.has('mixed') || processors.has('unknown')) {
      return warn(
        `${text}: what is not on the GPU is slow`,
        'take a smaller model or quantisation, or a smaller num_ctx; then ollama ps',
      )
    }
    return ok(text)
  },
}

/** As `ollama ps` writes it. */
function shareOf(model: LoadedModel): string {
  const { gpuRatio } = processorOf(model)
  if (gpuRatio === undefined) return 'Unknown'
  const cpu = Math.round((1 - gpuRatio) * 100)
  if (gpuRatio === 0) return '100% CPU'
  return gpuRatio === 1 ? '100% GPU' : `${cpu}%/${100 - cpu}% CPU/GPU`
}

/** A person who waits longer thinks that nothing comes. */
const FIRST_ANSWER_SECONDS = 20

export const firstAnswer: Check = {
  id: 'first-answer',
  title: 'First answer within 20 s',
  slow: true,
  async run({ answer, answerTimeoutMs, config }) {
    const name = config.ollamaModel ?? 'MODEL'
    const fix = `ollama run ${name} hello    (and look at Ollama's log)`
    try {
      const answered = await answer()
      if (answered === undefined) return skip(NO_MODEL)
      return judgeFirstAnswer(answered.model, answered.generation.ttftSeconds, answered.generation.usage.loadSeconds)
    } catch (error) {
      return fail(`${name}: ${messageOf(error)} (doctor waits ${answerTimeoutMs / 1000} s)`, fix)
    }
  },
}

export function judgeFirstAnswer(model: string, ttft: number | undefined, loadSeconds = 0): Result {
  if (ttft === undefined) return fail(`${model} answered without a token`, `ollama run ${model} hello`)
  const detail = `${model}: first token after ${round(ttft)} s, ${round(loadSeconds)} s of it loading`
  if (ttft <= FIRST_ANSWER_SECONDS) return ok(detail)
  return loadSeconds > ttft / 2
    ? fail(detail, `set OLLAMA_KEEP_ALIVE=-1 for Ollama, so that it stays in memory; ollama run ${model} "" loads it`)
    : fail(detail, 'ollama ps    (is it on the GPU? do others wait before it?)')
}

export const speed: Check = {
  id: 'speed',
  title: 'Tokens/s',
  slow: true,
  async run(context) {
    const answered = await context.answer().catch(() => null)
    if (answered === null) return skip('there was no answer to measure')
    if (answered === undefined) return skip(NO_MODEL)
    const { model, generation } = answered
    const tokensPerSecond = decodeRate(generation.usage)
    if (tokensPerSecond === undefined) return skip(`${model} answered too few tokens to tell a speed`)
    const loaded = (await context.loaded().catch(() => [])).find(({ name }) => fullModelName(name) === model)
    const { processor } = processorOf(loaded)
    const billions = parseBillions(loaded?.parameterSize)
    const { level, text } = judgeSpeed({ tokensPerSecond, platform: await platformOf(context), processor, billions })
    const detail = `${model}: ${text}`
    if (level === 'healthy') return ok(detail)
    if (level === 'under_used')
      return warn(detail, 'nvidia-smi    (is it throttled, shared, or is a part of the model on the CPU?)')
    if (level === 'no_gpu') return fail(detail, TO_GPU)
    const { expected, because } = await expectsGpu(context)
    if (context.config.cpuModels.includes(model)) return ok(`${detail}, as meant`)
    return expected ? fail(`${detail}; a GPU is expected (${because})`, TO_GPU) : ok(`${detail} (${because})`)
  },
}

async function platformOf(context: Context): Promise<Platform> {
  if (isMetal(context)) return 'metal'
  const vendors = [
    ...(await localGpus(context)).map(({ vendor }) => vendor),
    ...((await context.collection().catch(() => undefined))?.gpus ?? []).map(({ vendor }) => vendor),
  ]
  return vendors.includes('nvidia') ? 'nvidia' : vendors.includes('amd') ? 'amd' : 'gpu'
}

function round(seconds: number): number {
  return Math.round(seconds * 10) / 10
}
