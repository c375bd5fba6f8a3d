import { collectDefaultMetrics, Registry as ProcessRegistry } from 'prom-client'
import type { MetricDefinition } from './definition.ts'
import { PROCESS } from './definitions.ts'
import type { Registry } from './exposition.ts'
import { Counter, Histogram, Reading, type Family, type Sample } from './families.ts'

/** What is running. */
export interface Build {
  readonly version: string
  readonly revision: string
  readonly nodeVersion: string
}

/** All families of one process, in the order in which they were added. */
export interface MetricRegistry {
  readonly registry: Registry
  /** What the process counts of itself. */
  readonly own: { readonly uncaughtErrors: Counter; readonly labelOverflow: Counter; readonly logLinesDropped: Counter }
  readonly counter: (definition: MetricDefinition) => Counter
  readonly histogram: (definition: MetricDefinition) => Histogram
  /** A family whose values are read when somebody asks. */
  readonly reading: (definition: MetricDefinition, read: () => readonly Sample[]) => void
}

/** Names in which prom-client counts something that is no counter; their sums are there without the suffix. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** A registry of its own for each app: two in one process do not meet. */
export function createRegistry({ version, revision, nodeVersion }: Build): MetricRegistry {
  const families: Family[] = []
  const add = <T extends Family>(family: T): T => {
    families.push(family)
    return family
  }
  const labelOverflow = new Counter(PROCESS.labelOverflow, () => undefined)
  const onOverflow = ({ name }: MetricDefinition) => labelOverflow.inc({ label: name })
  const counter = (definition: MetricDefinition) => add(new Counter(definition, () => onOverflow(definition)))
  const histogram = (definition: MetricDefinition) => add(new Histogram(definition, () => onOverflow(definition)))
  const reading: MetricRegistry['reading'] = (definition, read) => void add(new Reading(definition, read))

  const build = { version, revision, node_version: nodeVersion }
  reading(PROCESS.buildInfo, () => [{ labels: build, value: 1 }])
  const own = {
    uncaughtErrors: counter(PROCESS.uncaughtErrors),
    logLinesDropped: counter(PROCESS.logLinesDropped),
    labelOverflow: add(labelOverflow),
  }
  // `increase()` does not see the first event of a series that begins with it: begin at 0.
  labelOverflow.inc({ label: 'model' }, 0)
  own.uncaughtErrors.inc({}, 0)
  own.logLinesDropped.inc({}, 0)

  const process = new ProcessRegistry()
  collectDefaultMetrics({ register: process })
  for (const name of MISNAMED) process.removeSingleMetric(name)
  return { registry: { families, process }, own, counter, histogram, reading }
}
