import { parseArgs } from 'node:util'
import { UsageError } from '../usage-error.ts'
import { PLATFORMS, type Platform } from './speed.ts'

export interface BenchOptions {
  readonly help: boolean
  readonly json: boolean
  /** `undefined`: OLLAMA_MODEL, else one that is in memory. */
  readonly model: string | undefined
  /** `undefined`: the proxy. */
  readonly url: string | undefined
  readonly tokenFile: string | undefined
  readonly requests: number
  readonly concurrency: number
  readonly promptTokens: number
  readonly maxTokens: number
  readonly platform: Platform | undefined
}

export const BENCH_USAGE = `Usage: ollascope bench [options]

What a model does here: tokens/s, time to first token, load time, GPU share, and whether that is a GPU's speed.
Exit 1 where no request succeeded.

  --model NAME        the model (default OLLAMA_MODEL, else one that is in memory)
  --url URL           whom to ask (default the proxy of OLLASCOPE_LISTEN)
  --token-file FILE   a client's token, where the proxy asks for one
  --requests N        how many requests (default 10)
  --concurrency N     how many at once (default 1)
  --prompt-tokens N   about how long a prompt is (default 64)
  --max-tokens N      how long an answer may get (default 128)
  --platform NAME     what it should be as fast as: ${PLATFORMS.join(', ')} (default what is seen)
  --json              the report as one JSON document
  --help              prints this
`

/** Reads the options of `ollascope bench`. Throws a UsageError that names the option. */
export function parseBenchOptions(argv: readonly string[]): BenchOptions {
  const values = parse(argv)
  const platform = PLATFORMS.find((known) => known === values.platform)
  if (values.platform !== undefined && platform === undefined) {
    throw new UsageError(`--platform must be one of ${PLATFORMS.join(', ')}, not '${values.platform}'`)
  }
  return {
    help: values.help,
    json: values.json,
    model: values.model,
    url: values.url === undefined ? undefined : urlOption(values.url),
    tokenFile: values['token-file'],
    requests: count('requests', values.requests, 100_000),
    concurrency: count('concurrency', values.concurrency, 1000),
    promptTokens: count('prompt-tokens', values['prompt-tokens'], 1_000_000),
    maxTokens: count('max-tokens', values['max-tokens'], 1_000_000),
    platform,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        model: { type: 'string' },
        url: { type: 'string' },
        'token-file': { type: 'string' },
        requests: { type: 'string', default: '10' },
        concurrency: { type: 'string', default: '1' },
        'prompt-tokens': { type: 'string', default: '64' },
        'max-tokens': { type: 'string', default: '128' },
        platform: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function count(name: string, text: string, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0
  if (value < 1 || value > most) {
    throw new UsageError(`--${name} must be a whole number from 1 to ${most}, not '${text}'`)
  }
  return value
}

function urlOption(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`--url must be an http:// or https:// URL, not '${text}'`)
  }
  return url.href
}
