import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Registry } from 'prom-client'

export const TEXT = 'text/plain; version=0.0.4; charset=utf-8'
export const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/**
 * The format that a scraper asked for. Prometheus asks for OpenMetrics first.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function negotiateFormat(accept: string | undefined): typeof TEXT | typeof OPENMETRICS {
  return accept?.includes('application/openmetrics-text') === true ? OPENMETRICS : TEXT
}

/**
 * All metrics of a registry as text. One family at a time, and between them the event loop gets its turn: a large
 * scrape must not hold up token streams. A family that throws costs itself alone.
 *
 * prom-client renders in one go, rejects the whole scrape when one `collect()` throws, and its OpenMetrics form strips
 * `_total` from the counters for good; so only its values are used here.
 */
export async function renderMetrics(
  registry: Registry,
  format: typeof TEXT | typeof OPENMETRICS,
  onError: (error: unknown) => void,
): Promise<string> {
  const families: string[] = []
  for (const { name } of registry.getMetricsAsArray()) {
    try {
      const family = await registry.getSingleMetric(name)?.get()
      if (family !== undefined) families.push(renderFamily({ ...family, type: String(family.type) }, format))
    } catch (error) {
      onError(error)
    }
    await nextTurn()
  }
  return format === OPENMETRICS ? `${families.join('')}# EOF\n` : families.join('')
}

interface Sample {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number | undefined>>
  readonly value: number
}

interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly values: readonly Sample[]
}

function renderFamily(metric: Family, format: typeof TEXT | typeof OPENMETRICS): string {
  const { name, type } = metric
  const family = format === OPENMETRICS && type === 'counter' ? name.replace(/_total$/, '') : name
  const lines = [`# HELP ${family} ${escapeHelp(metric.help, format)}`, `# TYPE ${family} ${type}`]
  for (const value of metric.values) lines.push(renderSample(name, value))
  return `${lines.join('\n')}\n`
}

function renderSample(name: string, sample: Sample): string {
  const labels = Object.entries(sample.labels).map(([key, value]) => `${key}="${escapeLabel(String(value))}"`)
  const set = labels.length === 0 ? '' : `{${labels.join(',')}}`
  return `${sample.metricName ?? name}${set} ${formatNumber(sample.value)}`
}

function formatNumber(value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}

function escapeHelp(text: string, format: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return format === OPENMETRICS ? escaped.replaceAll('"', '\\"') : escaped
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
