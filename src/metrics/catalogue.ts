import { COLLECTORS, CONTAINERS, GPUS, HOST, RESIDENCY } from './collected.ts'
import type { MetricDefinition } from './definition.ts'
import { PROCESS, PROXY } from './definitions.ts'

/** What is measured, beside what the proxy counts. */
export const COLLECTED: readonly MetricDefinition[] = [RESIDENCY, GPUS, CONTAINERS, HOST, COLLECTORS].flatMap(
  (group): MetricDefinition[] => Object.values(group),
)

/** Every family that there is. */
export const CATALOGUE: readonly MetricDefinition[] = [
  ...Object.values<MetricDefinition>(PROXY),
  ...COLLECTED,
  ...Object.values<MetricDefinition>(PROCESS),
]
