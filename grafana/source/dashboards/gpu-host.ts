import { COLOURS } from '../colours.ts'
import { dashboard } from '../defaults.ts'
import { UIDS } from '../links.ts'
import { stateTimeline } from '../panels/state-timeline.ts'
import { states, WELL_OR_FAILING } from '../panels/states.ts'
import { bars, limit, lines } from '../panels/time-series.ts'
import * as queries from '../queries/host.ts'
import { gpus, gpuStrip } from './gpus.ts'

const containers = [
  stateTimeline({
    title: 'Container health',
    description: 'The container’s own health check. Without a check, or without the container, there is nothing.',
    unit: 'none',
    queries: queries.HEALTH,
    width: 12,
    height: 6,
    mappings: [states({ 0: { text: 'UNHEALTHY', color: COLOURS.bad }, 1: { text: 'healthy', color: COLOURS.good } })],
  }),
  bars({
    title: 'OOM kills',
    description: 'Processes that the kernel killed for want of memory, in Ollama’s containers and on the whole host.',
    unit: 'short',
    queries: queries.KILLS,
    width: 6,
    height: 6,
    alerts: ['OllamaContainerOOMKilled', 'OllamaHostOOMKill'],
  }),
  lines({
    title: 'Container restarts',
    description: 'Times that the restart policy started it again.',
    unit: 'short',
    decimals: 0,
    queries: queries.RESTARTS,
    width: 6,
    height: 6,
  }),
]

const host = [
  lines({
    title: 'Host CPU',
    description: 'Share of the time in which the CPUs were busy.',
    unit: 'percentunit',
    queries: queries.HOST_CPU,
    width: 8,
    max: 1,
  }),
  limit(
    lines({
      title: 'Host memory',
      description: 'What cannot be had without swapping, and in all.',
      unit: 'bytes',
      queries: queries.HOST_MEMORY,
      width: 8,
    }),
    'total$',
    COLOURS.bad,
  ),
  lines({
    title: 'Load per CPU',
    description: 'Load average of a minute over the number of CPUs.',
    unit: 'percentunit',
    queries: queries.HOST_LOAD,
    width: 8,
  }),
  limit(
    lines({
      title: 'Disk of the models',
      description: 'Space where the models are stored.',
      unit: 'bytes',
      queries: queries.MODEL_DISK,
      width: 12,
    }),
    'size$',
    COLOURS.bad,
  ),
  lines({
    title: 'Container disk I/O',
    description: 'Bytes a second of block devices: a model that is read again and again did not stay in memory.',
    unit: 'Bps',
    queries: queries.DISK_IO,
    width: 12,
  }),
]

const own = [
  stateTimeline({
    title: 'Collectors',
    description:
      'Each collector that should run. Red: it fails, or its last success is too old, and then what it reads is absent.',
    unit: 'none',
    queries: queries.COLLECTORS,
    width: 12,
    mappings: [WELL_OR_FAILING],
    alerts: ['OllascopeCollectorFailing', 'OllascopeCollectorStale'],
  }),
  bars({
    title: 'Collector errors',
    description: 'Runs of collectors that failed, by reason.',
    unit: 'short',
    queries: queries.COLLECTOR_ERRORS,
    width: 6,
  }),
  lines({
    title: 'Collector duration',
    description: 'How long the last run took.',
    unit: 's',
    queries: queries.COLLECTOR_DURATION,
    width: 6,
  }),
  lines({
    title: 'Ollascope CPU',
    description: 'CPU time a second of each process of Ollascope.',
    unit: 'percentunit',
    queries: queries.OWN_CPU,
    width: 12,
  }),
  lines({
    title: 'Ollascope memory',
    description: 'Resident memory of each process of Ollascope.',
    unit: 'bytes',
    queries: queries.OWN_MEMORY,
    width: 12,
  }),
]

export const gpuHost = dashboard({
  uid: UIDS.gpuHost,
  title: 'Ollama - GPU and Host',
  description: 'What Ollama runs on, and whether that is well.',
  sections: [
    { panels: gpuStrip },
    { heading: 'GPUs', panels: gpus },
    { heading: 'Containers', panels: containers },
    { heading: 'Host', panels: host },
    { heading: 'Ollascope itself', panels: own },
  ],
})
