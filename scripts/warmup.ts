/**
 * `scripts/warmup`: loads models before the traffic comes, pins them with keep_alive, and looks whether they are on the
 * GPU.
 */
import { AnswerError, askJson, type Fields, type Target } from './ollama/ask.ts'
import {
  CallError,
  COMMON_USAGE,
  namesOf,
  readCall,
  runScript,
  targetOf,
  timeOf,
  waitForOllama,
} from './ollama/call.ts'

const USAGE = `Usage: scripts/warmup [options] [MODEL...]

Loads the models (default OLLAMA_MODEL), keeps them loaded, and checks that all of each is on the GPU.
Exit 1 where one could not be loaded, or is not all on the GPU.

  --keep-alive TIME   how long Ollama keeps them: 30m, 24h; -1 for ever (the default)
  --cpu               they are meant to run on the CPU
  --wait TIME         how long to wait for Ollama (default 2m)
  --timeout TIME      how long one may take to load (default 10m)
${COMMON_USAGE}
`

await runScript('warmup', async () => {
  const { values, positionals } = readCall({
    'keep-alive': { type: 'string', default: '-1' },
    cpu: { type: 'boolean', default: false },
    wait: { type: 'string', default: '2m' },
    timeout: { type: 'string', default: '10m' },
  })
  if (values.help === true) {
    console.log(USAGE)
    return 0
  }
  const models = namesOf(...(positionals.length > 0 ? positionals : [process.env.OLLAMA_MODEL]))
  if (models.length === 0) throw new CallError('no model: name one, or set OLLAMA_MODEL')
  const target = targetOf(values, process.env)
  await waitForOllama(target, timeOf('wait', values.wait))
  for (const model of models) {
    const began = performance.now()
    await load(target, model, keepAliveOf(values['keep-alive']), AbortSignal.timeout(timeOf('timeout', values.timeout)))
    console.log(`${model}: loaded in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  }
  const { models: loaded } = await askJson(target, '/api/ps', undefined, AbortSignal.timeout(10_000))
  const shares = models.map((model) => ({ model, share: gpuShare(Array.isArray(loaded) ? loaded : [], model) }))
  for (const { model, share } of shares) console.log(`${model}: ${verdict(share)}`)
  const isGood = (share: number | undefined) => share !== undefined && (values.cpu || share === 1)
  return shares.every(({ share }) => isGood(share)) ? 0 : 1
})

function keepAliveOf(text: string): string | number {
  if (text === '-1') return -1
  if (!/^\d+(ms|s|m|h)$/.test(text)) throw new CallError('--keep-alive must be a time such as 30m, or -1')
  return text
}

/** Without a prompt Ollama only loads. One that makes embeddings alone cannot generate, and is loaded by an empty input. */
async function load(target: Target, model: string, keep_alive: string | number, signal: AbortSignal): Promise<void> {
  try {
    await askJson(target, '/api/generate', { model, keep_alive, stream: false }, signal)
  } catch (error) {
    if (!(error instanceof AnswerError && error.message.includes('does not support generate'))) throw error
    await askJson(target, '/api/embed', { model, keep_alive, input: '' }, signal)
  }
}

/** How much of a model is on the GPU, as /api/ps says; undefined where it is not loaded. */
function gpuShare(loaded: readonly Fields[], model: string): number | undefined {
  const full = /:[^/]*$/.test(model) ? model : `${model}:latest`
  const { size, size_vram: vram } = loaded.find(({ name, model: also }) => name === full || also === full) ?? {}
  if (typeof size !== 'number' || size <= 0) return undefined
  return typeof vram === 'number' ? vram / size : 0
}

function verdict(share: number | undefined): string {
  if (share === undefined) return 'is not loaded any more: is there memory for all of them (OLLAMA_MAX_LOADED_MODELS)?'
  if (share === 1) return '100 % on the GPU'
  if (share === 0) return 'on the CPU'
  return `${Math.floor(share * 100)} % on the GPU, the rest on the CPU`
}
