// What the metrics must say, going by the receipts.
import type { LogLine } from '../../test/helpers/app.ts'
import type { Samples } from '../../test/helpers/samples.ts'
import { INFERENCE } from '../../test/integration/storm-plan.ts'

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'])

/** By which labels a metric is compared with the receipts, and what a receipt adds to it. */
interface Account {
  readonly name: string
  readonly labels: readonly string[]
  /** The values of the labels. Left out: the fields of these names. */
  readonly values?: (receipt: LogLine) => readonly unknown[]
  readonly adds: (receipt: LogLine) => unknown
}

const ROUTE = ['method', 'endpoint', 'status']
const routeOf = ({ method, endpoint, status }: LogLine) => [
  METHODS.has(String(method)) ? method : 'other',
  endpoint,
  status,
]
const one = () => 1
const has = (field: string) => (receipt: LogLine) => (receipt[field] === undefined ? 0 : 1)
const valueOf = (field: string) => (receipt: LogLine) => receipt[field] ?? 0
const ofInference = (adds: Account['adds']) => (receipt: LogLine) =>
  receipt.method === 'POST' && INFERENCE.includes(String(receipt.endpoint)) ? adds(receipt) : 0
const ofClient = (adds: Account['adds']) => (receipt: LogLine) => (receipt.client === undefined ? 0 : adds(receipt))

const TOKENS = ['input', 'output', 'cached_input'].flatMap((type): Account[] => {
  const adds = valueOf(`${type}_tokens`)
  return [
    { name: 'ollama_tokens_total', labels: ['type'], values: () => [type], adds: ofInference(adds) },
    {
      name: 'ollama_client_tokens_total',
      labels: ['client', 'type'],
      values: ({ client }) => [client, type],
      adds: ofClient(adds),
    },
  ]
})

const ACCOUNTS: readonly Account[] = [
  { name: 'ollama_requests_total', labels: ROUTE, values: routeOf, adds: one },
  { name: 'ollama_request_duration_seconds_count', labels: ROUTE, values: routeOf, adds: one },
  { name: 'ollama_errors_total', labels: ['error_type'], adds: has('error_type') },
  { name: 'ollama_request_bytes_total', labels: ['endpoint'], adds: valueOf('request_bytes') },
  { name: 'ollama_response_bytes_total', labels: ['endpoint'], adds: valueOf('response_bytes') },
  { name: 'ollama_inference_requests_total', labels: ['endpoint', 'outcome'], adds: ofInference(one) },
  { name: 'ollama_inference_aborts_total', labels: ['endpoint'], adds: has('abort_phase') },
  { name: 'ollama_stream_chunks_total', labels: ['endpoint'], adds: ofInference(valueOf('chunks')) },
  { name: 'ollama_client_requests_total', labels: ['client', 'outcome'], adds: ofClient(one) },
  ...TOKENS,
]

/** Names of which none counts anything while nothing is under way and nothing goes wrong. */
const ZERO = [
  'ollama_active_requests',
  'ollama_stalled_requests',
  'ollama_upstream_silence_seconds',
  'ollama_oldest_request_age_seconds',
  'ollascope_observer_errors_total',
  'ollascope_uncaught_errors_total',
  'ollascope_log_lines_dropped_total',
  'ollascope_connections_refused_total',
]

export interface Books {
  readonly add: (receipt: LogLine) => void
  /** Where the metrics say something else than the receipts, or that something is not over. */
  readonly differences: (samples: Samples) => string[]
}

/** Adds receipts up. */
export function createBooks(): Books {
  /** By name and labels, as JSON. */
  const sums = new Map<string, Map<string, number>>()
  let retries = 0
  const add = (name: string, labels: string, value: number) => {
    const sum = sums.get(name) ?? new Map<string, number>()
    sums.set(name, sum.set(labels, (sum.get(labels) ?? 0) + value))
  }
  return {
    add(receipt) {
      retries += Number(receipt.retries ?? 0)
      for (const { name, labels, values, adds } of ACCOUNTS) {
        const value = Number(adds(receipt))
        if (value === 0) continue
        const found = values?.(receipt) ?? labels.map((label) => receipt[label])
        add(name, JSON.stringify(Object.fromEntries(labels.map((label, at) => [label, String(found[at])]))), value)
      }
    },
    differences(samples) {
      const told: string[] = []
      const compare = (what: string, expected: number, actual: number) => {
        if (actual !== expected) told.push(`${what}: ${expected} by the receipts, ${actual} by the metrics`)
      }
      for (const [name, sum] of sums) {
        for (const [labels, value] of sum) {
          compare(`${name} ${labels}`, value, samples.sum(name, JSON.parse(labels) as Record<string, string>))
        }
        // Nothing is counted under other labels.
        const total = [...sum.values()].reduce((all, value) => all + value, 0)
        compare(name, total, samples.sum(name))
      }
      const retried = ['ollascope_connect_retries_total', 'ollascope_stale_connection_retries_total']
      compare(
        'retries',
        retries,
        retried.map((name) => samples.sum(name)).reduce((all, value) => all + value, 0),
      )
      for (const name of ZERO) compare(name, 0, samples.sum(name))
      return told
    },
  }
}
