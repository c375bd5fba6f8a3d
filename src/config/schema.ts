import { MAX_CONNECT_RETRIES } from './model-limits.ts'
import { METRICS, QUANTILES } from './targets.ts'
import { TOKEN_HASH, TOKEN_NAME } from './tokens.ts'

// A key without a value is as good as none: whoever comments out the last entry of a map leaves that behind.
const map = { type: ['object', 'null'] } as const
const named = { ...map, propertyNames: { minLength: 1 } } as const

const targetTimes = { $ref: '#/definitions/times' } as const
const duration = { $ref: '#/definitions/duration' } as const
const time = { type: 'string', pattern: String.raw`^\d+(ms|s|m|h)$` } as const
const hash = { type: 'string', pattern: TOKEN_HASH } as const

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
    tokens: {
      type: 'object',
      description: "Who may ask: the client's name, and the SHA-256 of its token in hex, or a list of several.",
      minProperties: 1,
      propertyNames: { pattern: TOKEN_NAME },
      additionalProperties: { ...hash, type: ['string', 'array'], minItems: 1, items: hash },
    },
  },
  definitions: {
    model: {
      ...map,
      description: 'What is meant for one model.',
      additionalProperties: false,
      properties: {
        tier: { type: 'string', description: 'The tier whose targets the model has; one that stands under tiers.' },
        targets: { $ref: '#/definitions/targets' },
        firstByteTimeout: { ...time, description: 'Instead of OLLASCOPE_FIRST_BYTE_TIMEOUT, from 1ms to 596h.' },
        idleTimeout: { ...time, description: 'Instead of OLLASCOPE_IDLE_TIMEOUT, from 1ms to 596h.' },
        connectRetries: {
          type: 'integer',
          minimum: 0,
          maximum: MAX_CONNECT_RETRIES,
          description: 'Instead of OLLASCOPE_CONNECT_RETRIES, a whole number up to 10.',
        },
        retryDelay: { ...time, description: 'Instead of OLLASCOPE_RETRY_DELAY, up to 596h.' },
        processor: { const: 'cpu', description: 'cpu: it is meant to run there, so that this is no fallback.' },
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
      ...time,
      description: 'A time from 1ms to 596h: 500ms, 30s, 5m or 1h.',
    },
  },
} as const
