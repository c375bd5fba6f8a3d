import { COLLECTORS, CONTAINERS, GPUS, HOST, RESIDENCY } from '../src/metrics/collected.ts'
import type { MetricDefinition } from '../src/metrics/definition.ts'
import { PROCESS, PROXY } from '../src/metrics/definitions.ts'
import { ERROR_TYPES, OUTCOMES } from '../src/ollama/outcome.ts'
import { INFERENCE_PHASES } from '../src/ollama/phase.ts'
import { CONTAINER_DOCS, COLLECTOR_DOCS, GPU_DOCS, HOST_DOCS, RESIDENCY_DOCS } from './metrics/collected.ts'
import type { Doc } from './metrics/doc.ts'
import { PROCESS_DOCS, PROXY_DOCS } from './metrics/proxy.ts'

const HEAD = `# Metrics

What Ollascope exports, made from \`src/metrics/\` by \`node scripts/metrics-docs.ts\`. Names, types and labels are a
contract. Durations are in seconds, on a monotonic clock; an exchange is counted once, when it is over. Beside these
there are prom-client's \`process_*\` and \`nodejs_*\`. Each family has one owner: \`ollascope proxy\` exports the first part,
\`ollascope collector\` those of the collector, each process the last, and \`ollascope serve\` all.
`

const LABELS = `## Labels

- \`model\`: the full name (\`llama3\` is \`llama3:latest\`) of a model that Ollama lists, or that it answered with success, the latter
  up to \`OLLASCOPE_METRICS_MODEL_LIMIT\`; else \`other\`. \`none\` where the request names none, \`invalid\` where it is no name.
- \`endpoint\`: the route, with its variable parts replaced (\`/api/blobs/:digest\`); \`unknown\` for any other path.
- \`method\`: a known one, or \`other\`. \`status\`: what the client got, 499 where it left before the headers.
- \`outcome\`: ${OUTCOMES.map((name) => `\`${name}\``).join(', ')}.
- \`phase\`: ${INFERENCE_PHASES.map((name) => `\`${name}\``).join(', ')}. What is loaded is known from \`/api/ps\`; \`queued\` is
  behind another request of the same model; \`unknown\` an answer that comes as a whole, where nobody can say.
- \`error_type\`: ${ERROR_TYPES.map((name) => `\`${name}\``).join(', ')}.

## Coming from an older exporter

| there | here |
|---|---|
| \`status="success"\` | \`ollama_inference_requests_total{outcome=~"stop\\|length\\|load\\|unload\\|tool_calls\\|success"}\`; \`status\` is the HTTP status |
| \`status="error"\` | \`ollama_errors_total\`, or \`outcome=~"rejected\\|timeout\\|truncated\\|error"\` |
| \`error_type="TimeoutError"\` | \`error_type=~"connect_timeout\\|upstream_timeout\\|idle_timeout\\|upload_timeout"\` |
| \`error_type="ConnectionError"\` | \`error_type=~"connect\\|dns\\|upstream_reset"\` |
| \`endpoint="/chat"\` | \`endpoint="/api/chat"\`, \`"/api/generate"\` and \`"/v1/chat/completions"\` |
`

/** The whole of docs/METRICS.md. */
export function metricsDocument(): string {
  const parts = PARTS.map(([title, definitions, docs]) => {
    const families = Object.entries(definitions).map(([key, definition]) => family(definition, docs[key]))
    return [`# ${title}\n`, ...families].join('\n')
  })
  return [HEAD, LABELS, ...parts].join('\n')
}

type Part = readonly [
  title: string,
  definitions: Readonly<Record<string, MetricDefinition>>,
  docs: Readonly<Record<string, Doc>>,
]

const PARTS: readonly Part[] = [
  ['Requests and inference: the proxy', PROXY, PROXY_DOCS],
  ['Models: the collector', RESIDENCY, RESIDENCY_DOCS],
  ['GPUs: the collector', GPUS, GPU_DOCS],
  ['Containers: the collector', CONTAINERS, CONTAINER_DOCS],
  ['Host: the collector', HOST, HOST_DOCS],
  ['The collectors themselves', COLLECTORS, COLLECTOR_DOCS],
  ['Each process', PROCESS, PROCESS_DOCS],
]

function family(definition: MetricDefinition, doc: Doc | undefined): string {
  if (doc === undefined) throw new Error(`${definition.name} is not documented`)
  const labels = definition.labels.length === 0 ? 'none' : definition.labels.map((label) => `\`${label}\``).join(', ')
  const buckets = definition.buckets === undefined ? '' : `; buckets ${definition.buckets.join(' ')}`
  return `## ${definition.name}

${definition.help}

- ${definition.type}; unit: ${unitOf(definition.name)}${buckets}
- labels: ${labels}
- source: ${doc.source}

\`\`\`promql
${doc.query}
\`\`\`
`
}

const UNITS: readonly (readonly [suffix: RegExp, unit: string])[] = [
  [/_seconds(_total)?$/, 'seconds'],
  [/_watts$/, 'watts'],
  [/_joules_total$/, 'joules'],
  [/_celsius$/, 'degrees Celsius'],
  [/_hertz$/, 'hertz'],
  [/_bytes(_total)?$/, 'bytes'],
  [/_ratio$/, 'a ratio from 0 to 1'],
  [/_tokens(_total)?$/, 'tokens'],
  [/_info$/, 'nothing: always 1'],
]

function unitOf(name: string): string {
  return UNITS.find(([suffix]) => suffix.test(name))?.[1] ?? 'none'
}
