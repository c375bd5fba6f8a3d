import type { CollectorName } from '../config/collector-names.ts'
import { COLLECTORS } from '../metrics/collected.ts'
import { measure, type Measurement } from './collector.ts'
import type { CollectorState } from './scheduler.ts'

/** A collector that nobody wants. */
export function switchedOff(name: CollectorName): CollectorState {
  return {
    name,
    status: 'off',
    problem: undefined,
    durationSeconds: undefined,
    lastSuccessSeconds: undefined,
    errors: new Map(),
  }
}

/** How a collector fares. Disabled and failing are different things: of a disabled one there is nothing else to say. */
export function measureHealth({
  name,
  status,
  durationSeconds,
  lastSuccessSeconds,
  errors,
}: CollectorState): Measurement[] {
  const collector = { collector: name }
  const isEnabled = status !== 'off' && status !== 'absent'
  const enabled = measure(COLLECTORS.enabled, Number(isEnabled), collector)
  if (!isEnabled) return enabled
  return [
    ...enabled,
    ...(status === 'starting' ? [] : measure(COLLECTORS.success, Number(status === 'ok'), collector)),
    ...measure(COLLECTORS.duration, durationSeconds, collector),
    ...measure(COLLECTORS.lastSuccess, lastSuccessSeconds ?? 0, collector),
    ...[...errors].flatMap(([reason, count]) => measure(COLLECTORS.errors, count, { ...collector, reason })),
  ]
}
