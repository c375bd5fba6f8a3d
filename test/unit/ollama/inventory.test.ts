import { describe, expect, it } from 'vitest'
import { parsePs, parseTags, processorOf } from '../../../src/ollama/inventory.ts'
import { loadRecordings } from '../../../src/demo/recordings.ts'
import { loadedModel } from '../../helpers/loaded.ts'
import { answerOf } from './recorded.ts'

function recorded(version: string, name: string): unknown {
  const recording = loadRecordings().find((one) => one.version === version && one.name === name)
  const answer = recording === undefined ? undefined : answerOf(recording)
  return JSON.parse(answer?.body.toString() ?? '')
}

const broken = [null, 1, 'x', [], { models: {} }, { models: 'x' }, { models: 7 }]

describe('parsePs', () => {
  it.each(['ollama', 'ollama-0.33'])('reads a recording of %s', (version) => {
    const models = parsePs(recorded(version, 'ps-two-models'))
    expect(models).toHaveLength(2)
    for (const model of models ?? []) {
      expect(model.name).toMatch(/^(gemma3:270m|all-minilm:l6)$/)
      expect(model.digest).toMatch(/^[0-9a-f]{64}$/)
      expect(model.sizeBytes).toBeGreaterThan(1e6)
      expect(model.vramBytes).toBe(0)
      expect([2048, 512]).toContain(model.contextLength)
    }
  })

  it('keeps what is there and leaves out what is not', () => {
    const models = [{ name: 'a' }, { name: 'b', size: 5, size_vram: 2, context_length: 8, digest: 'd' }]
    expect(parsePs({ models })).toEqual([
      loadedModel('a', { vramBytes: 0 }),
      loadedModel('b', { digest: 'd', sizeBytes: 5, vramBytes: 2, contextLength: 8 }),
    ])
  })

  it('takes no broken value for a number, and nothing without a name', () => {
    const models = [{ name: 'a', size: '5', size_vram: -1, context_length: NaN, digest: 5 }, { name: 7 }, null, 'x', []]
    expect(parsePs({ models })).toEqual([loadedModel('a')])
  })

  it.each([{}, { models: null }, { models: [] }])('of %j is empty', (json) => expect(parsePs(json)).toEqual([]))
  it.each(broken)('refuses %j', (json) => expect(parsePs(json)).toBeUndefined())
})

describe('parseTags', () => {
  it.each(['ollama', 'ollama-0.33'])('reads a recording of %s', (version) => {
    const models = parseTags(recorded(version, 'tags')) ?? []
    expect(models.map(({ name }) => name)).toContain('gemma3:270m')
    for (const { digest } of models) expect(digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each([{}, { models: null }, { models: [] }])('of %j is empty', (json) => expect(parseTags(json)).toEqual([]))
  it.each(broken)('refuses %j', (json) => expect(parseTags(json)).toBeUndefined())
})

describe('processorOf', () => {
  it.each([
    [100, 0, 'cpu', 0],
    [100, 100, 'gpu', 1],
    [100, 25, 'mixed', 0.25],
    [0, 0, 'unknown', undefined],
    [100, 101, 'unknown', undefined],
    [undefined, 0, 'unknown', undefined],
    [100, undefined, 'unknown', undefined],
  ] as const)('of %s bytes, %s of them on the GPU', (sizeBytes, vramBytes, processor, gpuRatio) => {
    const model = loadedModel('a', { sizeBytes, vramBytes })
    expect(processorOf(model)).toEqual({ processor, gpuRatio })
  })

  it('of no model is unknown', () =>
    expect(processorOf(undefined)).toEqual({ processor: 'unknown', gpuRatio: undefined }))
})
