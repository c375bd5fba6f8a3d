import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { modelTargets, parseConfigFile } from '../../../src/config/file.ts'
import { configSchema } from '../../../src/config/schema.ts'

const read = (name: string) => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8')
const written: unknown = JSON.parse(read('config.schema.json'))
const page = read('config.md')
const examples = [...page.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text = '']) => text)

const validate = new Ajv({ allowUnionTypes: true }).compile(configSchema)

describe('docs/config.schema.json', () => {
  it('is what the program checks with; else run "node scripts/config-schema.ts"', () => {
    // As text, so that the order of the keys counts too.
    expect(JSON.stringify(written)).toBe(JSON.stringify(configSchema))
  })

  it('names no host, and describes every key', () => {
    expect(configSchema.$id).toMatch(/^urn:/)
    const { tiers, models, tokens } = configSchema.properties
    const { duration, ...maps } = configSchema.definitions
    const described = [tiers, models, tokens, duration, ...Object.values(maps), ...Object.values(maps.model.properties)]
    for (const part of described) {
      expect('$ref' in part || part.description.length > 10, JSON.stringify(part)).toBe(true)
    }
  })

  it.each([
    ['', true],
    ['tiers:\nmodels:', true],
    ['models: {a: {targets: {ttft: {p50: 596h}}}}', true],
    ['models: {a: {targets: {ttft: {p50: 5}}}}', false],
    ['models: {a: {targets: {ttft: {p50: 5 s}}}}', false],
    ['models: {a: {targets: {ttft: {p99: 5s}}}}', false],
    ['models: {a: {targets: {tpot: {p95: 5s}}}}', false],
    ['models: {a: {tier: 5}}', false],
    ['models: {"": {}}', false],
    ['models: [a]', false],
    ['tiers: {t: {targets: {ttft: {p95: 5s}}}}', false],
    ['tiers: {"": {}}', false],
    [`tokens: {a: ${'a'.repeat(64)}, b: [${'B'.repeat(64)}]}`, true],
    ['tokens: []', false],
    ['tokens: {}', false],
    ['tokens:', false],
    ['tokens: {a: secret}', false],
    ['tokens: {a: []}', false],
    [`tokens: {"a:b": ${'a'.repeat(64)}}`, false],
    ['models: {a: {firstByteTimeout: 1h, idleTimeout: 5s, connectRetries: 0, retryDelay: 0ms}}', true],
    ['models: {a: {idleTimeout: 5}}', false],
    ['models: {a: {connectRetries: 11}}', false],
    ['models: {a: {processor: cpu}}', true],
    ['models: {a: {processor: gpu}}', false],
    ['models: {a: {processor: }}', false],
    ['model: {}', false],
    ['text', false],
  ])('of %j says %s, and so does the program', (text, valid) => {
    expect(validate(parse(text))).toBe(valid)
    expect('value' in parseConfigFile(text)).toBe(valid)
  })
})

describe('docs/config.md', () => {
  it('has examples that are valid', () => {
    expect(examples.length).toBeGreaterThan(0)
    for (const text of examples) expect(parseConfigFile(text), text).toHaveProperty('value')
  })

  it('shows the series that its example makes', () => {
    const parsed = parseConfigFile(examples[0] ?? '')
    if (!('value' in parsed)) return expect.fail(parsed.problems.join('\n'))
    const { models } = parsed.value
    const targets = modelTargets(models).map(
      ({ model, tier, metric, quantile, seconds }) =>
        `ollama_latency_target_seconds{model="${model}",tier="${tier}",metric="${metric}",quantile="${quantile}"} ${seconds}`,
    )
    const shown = page.match(/^ollama_latency_target_seconds\{.*$/gm) ?? []
    expect(shown.length).toBeGreaterThan(0)
    for (const line of shown) expect(targets).toContain(line)
    const onCpu = [...models].filter(([, { processor }]) => processor === 'cpu').map(([name]) => name)
    expect(page.match(/^ollama_model_cpu_intended\{.*$/gm)).toEqual(
      onCpu.map((model) => `ollama_model_cpu_intended{model="${model}"} 1`),
    )
  })

  it('names every key of the schema', () => {
    const { tiers, models, tokens } = configSchema.properties
    const { model, targets, times } = configSchema.definitions
    const maps = [{ tiers, models, tokens }, model.properties, targets.properties, times.properties]
    for (const key of maps.flatMap((map) => Object.keys(map)))
      expect(page).toMatch(new RegExp(`\`[^\`]*\\b${key}\\b[^\`]*\``))
  })
})
