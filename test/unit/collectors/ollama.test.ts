import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CollectError, type Measurement } from '../../../src/collectors/collector.ts'
import { createOllama } from '../../../src/collectors/ollama.ts'
import { NoAnswer } from '../../../src/upstream/get-json.ts'
import { LoadEvents } from '../../../src/upstream/load-events.ts'
import { createUpstream } from '../../../src/upstream/upstream.ts'
import { isFields } from '../../helpers/json.ts'
import { ROOT } from '../../helpers/process.ts'
import { createRandom, type Random } from '../../helpers/random.ts'

type Answers = Record<string, unknown>

/** The collector in front of an Ollama that answers so; what has no answer is refused. */
function createCollected(answers: Answers) {
  const now = { ms: 0 }
  const events = new LoadEvents(() => now.ms)
  const upstream = createUpstream({
    intervalMs: 10_000,
    now: () => now.ms,
    getJson: (path) =>
      answers[path] === undefined
        ? Promise.reject(new NoAnswer('refused', `${path}: connection refused`))
        : Promise.resolve(answers[path]),
    onLoaded: (models) => models && events.setLoaded(models),
    onInstalled: (models) => events.setInstalled(models.map(({ name }) => name)),
    awaitsLoad: () => false,
  })
  const collector = createOllama({ upstream, events, configured: [] })
  const collect = () => collector.collect(new AbortController().signal)
  return { now, collector, collect, lasting: () => told(collector.lasting?.() ?? []) }
}

/** `name{values of its labels} value`. */
function told(measurements: readonly Measurement[]): string[] {
  return measurements.map(({ metric, labels, value }) => {
    const values = metric.labels.map((label) => labels[label] ?? '')
    return `${metric.name}${values.length > 0 ? `{${values.join()}}` : ''} ${value}`
  })
}

const model = (over: object) => ({ name: 'm', size: 100, size_vram: 100, context_length: 4096, ...over })

describe('what Ollama says', () => {
  it.each([
    ['all of it on a GPU', { size_vram: 100 }, 100, 1],
    ['part of it', { size_vram: 60 }, 60, 0.6],
    ['on the CPU, which Go leaves out', { size_vram: undefined }, 0, 0],
  ])('of a model: %s', async (_title, over, vram, ratio) => {
    const { collect } = createCollected({
      '/api/version': { version: '1' },
      '/api/tags': {},
      '/api/ps': { models: [model(over)] },
    })
    const lines = told(await collect())
    expect(lines).toContain(`ollama_loaded_model_vram_bytes{m:latest} ${vram}`)
    expect(lines).toContain(`ollama_loaded_model_gpu_ratio{m:latest} ${ratio}`)
    expect(lines).toContain('ollama_loaded_models 1')
  })

  it('has no ratio where it cannot be', async () => {
    const { collect } = createCollected({
      '/api/version': {},
      '/api/ps': { models: [model({ size_vram: 101 }), model({ name: 'n', size: 0 })] },
    })
    expect(told(await collect()).filter((line) => line.startsWith('ollama_loaded_model_gpu_ratio'))).toEqual([])
  })

  it('is nothing of models that are gone', async () => {
    const answers: Answers = { '/api/version': { version: '1' }, '/api/ps': { models: [model({})] } }
    const { collect } = createCollected(answers)
    await collect()
    answers['/api/ps'] = { models: [] }
    expect(told(await collect())).toEqual(['ollama_loaded_models 0'])
  })
})

describe('an Ollama that fails', () => {
  it('with a blocked /api/ps is up, and the collector is not', async () => {
    const { collect, lasting } = createCollected({
      '/api/version': { version: '0.24.0' },
      '/api/tags': { models: [{ name: 'm' }] },
    })
    await expect(collect()).rejects.toMatchObject({ name: 'CollectError', reason: 'refused' })
    expect(lasting()).toContain('ollama_up 1')
    expect(lasting()).toContain('ollama_version_info{0.24.0} 1')
  })

  it('that is down is told as down, and its counters stay', async () => {
    const answers: Answers = { '/api/version': { version: '0.24.0' }, '/api/ps': { models: [] } }
    const { collect, lasting, now } = createCollected(answers)
    await collect()
    answers['/api/ps'] = { models: [model({})] }
    now.ms = 10_000
    await collect()
    for (const path of Object.keys(answers)) Reflect.deleteProperty(answers, path)
    await expect(collect()).rejects.toThrow(CollectError)
    expect(lasting()).toContain('ollama_up 0')
    expect(lasting()).toContain('ollama_model_load_events_total{m:latest} 1')
    expect(lasting().filter((line) => line.startsWith('ollama_version_info'))).toEqual([])
  })

  it('tells nothing of itself before it was asked', () => {
    expect(createCollected({}).lasting()).toEqual([])
  })
})

/** Anything that JSON can say, with what is there in a real answer among it. */
function hostile(random: Random, depth = 0): unknown {
  const values = ['x', '', 'm:latest', '\ud800', '9'.repeat(300), -1, 0, 1.5, 1e308, -1e308, 9e15, true, null]
  const kind = random.below(depth > 4 ? 1 : 4)
  if (kind === 0) return values[random.below(values.length)]
  if (kind === 1) return Array.from({ length: random.below(5) }, () => hostile(random, depth + 1))
  const keys = [
    'models',
    'name',
    'size',
    'size_vram',
    'context_length',
    'expires_at',
    'details',
    'digest',
    'version',
    '__proto__',
  ]
  return Object.fromEntries(keys.filter(() => random.chance(0.6)).map((key) => [key, hostile(random, depth + 1)]))
}

it('whatever Ollama says, each number is one, and nothing throws but a CollectError', async () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const random = createRandom(seed)
    const { collector, collect } = createCollected({
      '/api/version': hostile(random),
      '/api/tags': hostile(random),
      '/api/ps': hostile(random),
    })
    const found = await collect().catch((error: unknown) => {
      expect(error, `seed ${seed}`).toBeInstanceOf(CollectError)
      return []
    })
    for (const { metric, labels, value } of [...found, ...(collector.lasting?.() ?? [])]) {
      expect(Number.isFinite(value), `seed ${seed}: ${metric.name}`).toBe(true)
      expect(Object.keys(labels).toSorted(), `seed ${seed}`).toEqual(metric.labels.toSorted())
    }
  }
})

it('every recorded answer of /api/ps is understood', async () => {
  let count = 0
  for (const folder of ['ollama', 'ollama-0.33']) {
    for (const file of readdirSync(join(ROOT, 'test/captures', folder))) {
      const recording: unknown = JSON.parse(readFileSync(join(ROOT, 'test/captures', folder, file), 'utf8'))
      const body = bodyOfPs(recording)
      if (body === undefined) continue
      count++
      const { models } = JSON.parse(body) as { models: { name: string }[] }
      const { collect } = createCollected({ '/api/version': {}, '/api/ps': { models } })
      const lines = told(await collect())
      expect(lines, file).toContain(`ollama_loaded_models ${models.length}`)
      for (const { name } of models) expect(lines, file).toContain(`ollama_loaded_model_gpu_ratio{${name}} 0`)
    }
  }
  expect(count).toBeGreaterThan(1)
})

/** The JSON of a recorded 200 for GET /api/ps. */
function bodyOfPs(recording: unknown): string | undefined {
  if (!isFields(recording) || !isFields(recording.request) || !isFields(recording.response)) return undefined
  const { method, path } = recording.request
  const { chunks } = recording.response
  if (method !== 'GET' || path !== '/api/ps' || !Array.isArray(chunks)) return undefined
  const text = chunks.map((chunk: unknown) => (Array.isArray(chunk) ? String(chunk[1]) : '')).join('')
  return text.startsWith('HTTP/1.1 200 ') ? /\{.*\}/s.exec(text)?.[0] : undefined
}
