import { GPU_HOT_CELSIUS, GPU_IDLE_RATIO, GPU_MEMORY_FULL_RATIO } from '../../../prometheus/source/thresholds.ts'
import { COLOURS } from '../colours.ts'
import { aboveZero, from } from '../panels/panel.ts'
import { stat } from '../panels/stat.ts'
import { stateTimeline } from '../panels/state-timeline.ts'
import { idle, states } from '../panels/states.ts'
import { gpuShare, sources } from '../panels/strip.ts'
import { limit, lines } from '../panels/time-series.ts'
import * as queries from '../queries/gpus.ts'

const noGpu = idle('no GPU')
const hot = from(GPU_HOT_CELSIUS, COLOURS.warn)
const full = from(GPU_MEMORY_FULL_RATIO, COLOURS.quiet)

export const gpuStrip = [
  sources(4),
  gpuShare(4),
  stat({
    title: 'GPUs missing',
    description: 'GPUs that were seen in the last six hours and are gone, or one that must be there and never was.',
    unit: 'short',
    queries: queries.MISSING,
    width: 4,
    thresholds: aboveZero(),
    alerts: ['OllamaGPUMissing'],
  }),
  stat({
    title: 'Throttled',
    description: 'Whether a GPU is too hot or lacks power, and protects itself.',
    unit: 'bool',
    queries: queries.THROTTLED,
    width: 3,
    thresholds: aboveZero(),
    mappings: [noGpu, states({ 0: { text: 'no', color: COLOURS.good }, 1: { text: 'YES', color: COLOURS.bad } })],
    alerts: ['OllamaGPUThermalThrottle'],
  }),
  stat({
    title: 'Hottest GPU',
    description: 'Temperature of the hottest GPU.',
    unit: 'celsius',
    queries: queries.HOTTEST,
    width: 3,
    thresholds: hot,
    mappings: [noGpu],
    alerts: ['OllamaGPUHot'],
  }),
  stat({
    title: 'Fullest GPU',
    description: 'Memory in use of the fullest GPU. Ollama fills it by design, so that is no alarm.',
    unit: 'percentunit',
    decimals: 0,
    queries: queries.FULLEST,
    width: 3,
    thresholds: full,
    mappings: [noGpu],
    alerts: ['OllamaVRAMNearlyFull'],
  }),
  stat({
    title: 'ECC errors',
    description: 'Memory errors of a GPU that could not be corrected, since its driver was loaded.',
    unit: 'short',
    queries: queries.ECC,
    width: 3,
    thresholds: aboveZero(),
    mappings: [noGpu],
    alerts: ['OllamaGPUUncorrectableECC'],
  }),
]

export const gpus = [
  lines({
    title: 'GPU utilisation',
    description:
      'Share of the time in which a kernel ran, and in which memory was read or written. Below the line while tokens are made means that the work is done elsewhere.',
    unit: 'percentunit',
    queries: queries.UTILIZATION,
    width: 12,
    max: 1,
    thresholds: [
      { value: null, color: COLOURS.warn },
      { value: GPU_IDLE_RATIO, color: COLOURS.good },
    ],
    alerts: ['OllamaGPUIdleWhileGenerating'],
  }),
  limit(
    lines({
      title: 'GPU memory',
      description: 'In use, kept by driver and firmware, and in all.',
      unit: 'bytes',
      queries: queries.GPU_MEMORY,
      width: 12,
    }),
    'total$',
    COLOURS.bad,
  ),
  stateTimeline({
    title: 'Throttling',
    description:
      'What holds the clocks down: red where the hardware protects itself, amber for other reasons, such as the power limit or having nothing to do. A gap: the GPU or its collector is gone.',
    unit: 'none',
    queries: queries.THROTTLING,
    width: 24,
    mappings: [
      states({
        0: { text: 'no', color: COLOURS.good },
        1: { text: 'yes', color: COLOURS.warn },
        2: { text: 'HARDWARE', color: COLOURS.bad },
      }),
    ],
    alerts: ['OllamaGPUThermalThrottle'],
  }),
  lines({
    title: 'GPU temperature',
    description: 'Of the GPU and, where it is told, of its memory.',
    unit: 'celsius',
    queries: queries.TEMPERATURE,
    width: 8,
    thresholds: hot,
    alerts: ['OllamaGPUHot'],
  }),
  limit(
    lines({
      title: 'GPU power',
      description: 'What it draws, and what it may draw.',
      unit: 'watt',
      queries: queries.POWER,
      width: 8,
    }),
    'limit$',
    COLOURS.bad,
  ),
  lines({
    title: 'Energy per output token',
    description: 'Energy of all GPUs of an Ollama over the tokens it wrote. It holds what they take while they wait.',
    unit: 'joule',
    queries: queries.ENERGY_PER_TOKEN,
    width: 8,
  }),
  lines({
    title: 'GPU clocks',
    description: 'Of multiprocessors and memory.',
    unit: 'hertz',
    queries: queries.CLOCKS,
    width: 6,
  }),
  lines({
    title: 'GPU memory %',
    description: 'Memory in use over all. Ollama fills it by design.',
    unit: 'percentunit',
    queries: queries.GPU_MEMORY_SHARE,
    width: 6,
    max: 1,
    thresholds: full,
    alerts: ['OllamaVRAMNearlyFull'],
  }),
  lines({
    title: 'GPU memory by process',
    description: 'What Ollama takes, and what all others do; with OLLASCOPE_GPU_PROCESSES=true.',
    unit: 'bytes',
    queries: queries.PROCESS_MEMORY,
    width: 6,
  }),
  lines({
    title: 'GPU fans',
    description: 'Speed over the maximum.',
    unit: 'percentunit',
    queries: queries.FANS,
    width: 6,
    max: 1,
  }),
]
