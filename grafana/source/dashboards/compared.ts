import { lines } from '../panels/time-series.ts'
import { COMPARED } from '../queries/compared.ts'

const PANELS = [
  ['A/B: requests', 'Requests a second of both.', 'reqps', COMPARED.requests],
  ['A/B: TTFT p95', 'Time to the first token of both.', 's', COMPARED.firstToken],
  ['A/B: request time p95', 'Time of a whole good request of both.', 's', COMPARED.duration],
  ['A/B: decode rate', 'Output tokens a second of decoding of both.', 'short', COMPARED.decode],
  ['A/B: error ratio', 'Failed requests over those that count, of both.', 'percentunit', COMPARED.errors],
  ['A/B: GPU share', 'How much of both is on a GPU; the worst Ollama counts.', 'percentunit', COMPARED.gpuShare],
] as const

/** Two models or versions side by side. */
export const compared = PANELS.map(([title, description, unit, queries]) =>
  lines({ title, description, unit, queries, width: 8 }),
)
