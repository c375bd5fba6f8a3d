import { setImmediate as nextTurn } from 'node:timers/promises'
import { formatNumber, type Family } from './families.ts'
import { labelSetOf } from './series.ts'

export const TEXT = 'text/plain; version=0.0.4; charset=utf-8'
export const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/**
 * The format that a scraper asked for. Prometheus asks for OpenMetrics first.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function negotiateFormat(accept: string | undefined): typeof TEXT | typeof OPENMETRICS {
  return accept?.includes('application/openmetrics-text') === true ? OPENMETRICS : TEXT
}

/** After so many characters the event loop gets its turn: 1 ms of work or less, for which a token stream waits. */
const SLICE = 64 * 1024

/** What prom-client knows of the process itself. Its own rendering is not used: see docs/adr/0004. */
interface ProcessRegistry {
  getMetricsAsArray(): readonly { readonly name: string }[]
  getSingleMetric(name: string): { get(): Promise<ProcessFamily> } | undefined
}

interface ProcessFamily {
  readonly name: string
  readonly help: string
  readonly type: unknown
  readonly values: readonly {
    readonly metricName?: string
    readonly labels: Readonly<Record<string, string | number | undefined>>
    readonly value: number
  }[]
}

export interface Registry {
  readonly families: readonly Family[]
  readonly process: ProcessRegistry
}

/**
 * All metrics as text, with turns for the event loop in between: a large scrape must not hold up token streams. A
 * family that throws is reported, and costs itself alone.
 */
export async function renderMetrics(
  { families, process }: Registry,
  format: typeof TEXT | typeof OPENMETRICS,
  onError: (error: unknown) => void,
): Promise<string> {
  const open = format === OPENMETRICS
  const done: string[] = []
  let slice = 0
  for (const family of families) {
    try {
      const { name, help, type } = family.definition
      let text = renderHead(name, help, type, open)
      for (const series of family.series(open)) {
        text += series
        slice += series.length
        if (slice < SLICE) continue
        slice = 0
        await nextTurn()
      }
      done.push(text)
    } catch (error) {
      onError(error)
    }
  }
  for (const { name } of process.getMetricsAsArray()) {
    try {
      const family = await process.getSingleMetric(name)?.get()
      if (family !== undefined) done.push(renderProcessFamily(family, open))
    } catch (error) {
      onError(error)
    }
    await nextTurn()
  }
  return open ? `${done.join('')}# EOF\n` : done.join('')
}

function renderHead(name: string, help: string, type: string, open: boolean): string {
  const family = open && type === 'counter' ? name.replace(/_total$/, '') : name
  return `# HELP ${family} ${escapeHelp(help, open)}\n# TYPE ${family} ${type}\n`
}

function renderProcessFamily({ name, help, type, values }: ProcessFamily, open: boolean): string {
  const lines = values.map(({ metricName, labels, value }) => {
    const set = labelSetOf(Object.keys(labels), (label) => String(labels[label]))
    return `${metricName ?? name}${set === '' ? '' : `{${set}}`} ${formatNumber(value)}\n`
  })
  return renderHead(name, help, String(type), open) + lines.join('')
}

function escapeHelp(text: string, open: boolean): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return open ? escaped.replaceAll('"', '\\"') : escaped
}
