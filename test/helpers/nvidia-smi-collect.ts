import type { Measurement } from '../../src/collectors/collector.ts'
import type { GpuSnapshot } from '../../src/collectors/gpu.ts'
import { createNvidia, type NvidiaOptions } from '../../src/collectors/nvidia.ts'
import type { MetricDefinition } from '../../src/metrics/definition.ts'

/** The collector on a program, with a clock that the test moves. */
export function collectWith(program: string, options: Partial<NvidiaOptions> = {}) {
  const clock = { ms: 0 }
  const seen: (readonly GpuSnapshot[])[] = []
  const collector = createNvidia({
    program,
    env: process.env,
    now: () => clock.ms,
    processes: false,
    timeoutMs: 120_000,
    onGpus: (gpus) => seen.push(gpus),
    ...options,
  })
  return { clock, seen, collector, collect: (signal = new AbortController().signal) => collector.collect(signal) }
}

/** The value of the one series that has at least these labels; throws where there are several. */
export function valueOf(
  measurements: readonly Measurement[],
  metric: MetricDefinition,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found = measurements.filter(
    (one) => one.metric === metric && Object.entries(labels).every(([name, value]) => one.labels[name] === value),
  )
  if (found.length > 1) throw new Error(`${metric.name} has ${found.length} series like ${JSON.stringify(labels)}`)
  return found[0]?.value
}

/** What makes each series what it is: its family and its labels. */
export function seriesOf(measurements: readonly Measurement[]): string[] {
  return measurements.map(({ metric, labels }) =>
    JSON.stringify([metric.name, ...metric.labels.map((label) => labels[label] ?? '')]),
  )
}
