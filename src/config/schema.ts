import { METRICS, QUANTILES } from './targets.ts'

/** Documented, without effect yet: the only thing that the schema says of it is no. */
const notYet = { not: {}, description: 'Not supported yet by this version.' } as const

// A key without a value is as good as none: whoever comments out the last entry of a map leaves that behind.
const map = { type: ['object', 'null'] } as const
const named = { ...map, propertyNames: { minLength: 1 } } as const

const targetTimes = { $ref: '#/definitions/times' } as const
const duration = { $ref: '#/definitions/duration' } as const

/** JSON Schema (draft-07) of the file that OLLASCOPE_CONFIG names. docs/config.schema.json is a copy for editors. */
export const configSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  $id: 'urn:ollascope:config',
  title: 'Ollascope configuration',
  description: 'The YAML file that OLLASCOPE_CONFIG names.',
  ...map,
  additionalProperties: false,
  properties: {
    tiers: {
      ...named,
      description: 'Latency targets that several models share, by the name of the tier.',
      additionalProperties: { $ref: '#/definitions/targets' },
    },
    models: {
      ...named,
      description: 'What is meant for a model, by its name; llama3 is llama3:latest.',
      additionalProperties: { $ref: '#/definitions/model' },
    },
    tokens: notYet,
  },
  definitions: {
    model: {
      ...map,
      description: 'What is meant for one model.',
      additionalProperties: false,
      properties: {
        tier: { type: 'string', description: 'The tier whose targets the model has; one that stands under tiers.' },
        targets: { $ref: '#/definitions/targets' },
        firstByteTimeout: notYet,
        idleTimeout: notYet,
        connectRetries: notYet,
        retryDelay: notYet,
        processor: notYet,
      },
    },
    targets: {
      ...map,
      description: "Latency targets. A model's own stand in for those of its tier, one value at a time.",
      additionalProperties: false,
      properties: Object.fromEntries(METRICS.map((metric) => [metric, targetTimes])),
    },
    times: {
      ...map,
      description: 'How long half of the requests (p50) and 95 of 100 (p95) may take: ttft until the first token.',
      additionalProperties: false,
      properties: Object.fromEntries(Object.keys(QUANTILES).map((quantile) => [quantile, duration])),
    },
    duration: {
      type: 'string',
      pattern: String.raw`^\d+(ms|s|m|h)$`,
      description: 'A time from 1ms to 596h: 500ms, 30s, 5m or 1h.',
    },
  },
} as const
