import type { Alert } from './alert.ts'
import { AVAILABILITY } from './alerts/availability.ts'
import { GPUS } from './alerts/gpu.ts'
import { LATENCY } from './alerts/latency.ts'
import { MEMORY } from './alerts/memory.ts'
import { QUEUE } from './alerts/queue.ts'
import { SELF } from './alerts/self.ts'
import { SLO } from './alerts/slo.ts'

export const ALERT_GROUPS: readonly { readonly name: string; readonly alerts: readonly Alert[] }[] = [
  { name: 'ollama-availability', alerts: AVAILABILITY },
  { name: 'ollama-slo', alerts: SLO },
  { name: 'ollama-gpu', alerts: GPUS },
  { name: 'ollama-memory', alerts: MEMORY },
  { name: 'ollama-latency', alerts: LATENCY },
  { name: 'ollama-queue', alerts: QUEUE },
  { name: 'ollascope', alerts: SELF },
]

export const ALERTS: readonly Alert[] = ALERT_GROUPS.flatMap(({ alerts }) => alerts)
