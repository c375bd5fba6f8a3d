import { RESIDENCY } from '../metrics/collected.ts'
import { processorOf, type InstalledModel, type LoadedModel } from '../ollama/inventory.ts'
import { fullModelName } from '../ollama/model-name.ts'
import type { LoadEvents } from '../upstream/load-events.ts'
import { fresh, type Answer, type Upstream } from '../upstream/upstream.ts'
import { CollectError, measure, type Collector, type Measurement } from './collector.ts'

export interface OllamaOptions {
  readonly upstream: Upstream
  readonly events: LoadEvents
  /** What is so as long as the process lives: what the configuration says of models. */
  readonly configured: readonly Measurement[]
}

/**
 * What Ollama says of itself. A blocked /api/ps is a failing collector; that Ollama is up, its version and the events
 * that were counted are told all the same.
 */
export function createOllama({ upstream, events, configured }: OllamaOptions): Collector {
  return {
    name: 'ollama',
    metrics: Object.values(RESIDENCY),
    nextDelayMs: () => upstream.nextDelayMs(),
    async collect(signal) {
      await upstream.look(signal)
      const { loaded, installed } = upstream.state()
      if (loaded?.failure !== undefined) throw new CollectError(loaded.failure.reason, loaded.failure.message)
      return [...measureLoaded(fresh(loaded)), ...measureInstalled(fresh(installed))]
    },
    lasting() {
      const { version, loaded, installed } = upstream.state()
      const versionNow = fresh(version)
      return [
        ...(version === undefined ? [] : measure(RESIDENCY.up, version.failure === undefined ? 1 : 0)),
        ...(versionNow === undefined ? [] : measure(RESIDENCY.versionInfo, 1, { version: versionNow })),
        ...measurePoll('/api/version', version),
        ...measurePoll('/api/tags', installed),
        ...measurePoll('/api/ps', loaded),
        ...events
          .events()
          .flatMap(({ model, loads, unloads }) => [
            ...measure(RESIDENCY.modelLoads, loads, { model }),
            ...measure(RESIDENCY.modelUnloads, unloads, { model }),
          ]),
        ...configured,
      ]
    },
  }
}

function measurePoll<T>(endpoint: string, answer: Answer<T> | undefined): Measurement[] {
  return measure(RESIDENCY.pollDuration, answer?.seconds, { endpoint })
}

function measureLoaded(models: readonly LoadedModel[] | undefined): Measurement[] {
  const each = (models ?? []).flatMap((loaded) => {
    const model = { model: fullModelName(loaded.name) }
    return [
      ...measure(RESIDENCY.loadedModelSize, loaded.sizeBytes, model),
      ...measure(RESIDENCY.loadedModelVram, loaded.vramBytes, model),
      ...measure(RESIDENCY.loadedModelGpuRatio, processorOf(loaded).gpuRatio, model),
      ...measure(RESIDENCY.loadedModelExpires, loaded.expiresAt, model),
      ...measure(RESIDENCY.loadedModelContext, loaded.contextLength, model),
      ...measure(RESIDENCY.loadedModelInfo, 1, detailsOf(loaded)),
    ]
  })
  return [...measure(RESIDENCY.loadedModels, models?.length), ...each]
}

function measureInstalled(models: readonly InstalledModel[] | undefined): Measurement[] {
  const each = (models ?? []).flatMap((model) => measure(RESIDENCY.installedModelInfo, 1, detailsOf(model)))
  return [...measure(RESIDENCY.modelsInstalled, models?.length), ...each]
}

function detailsOf({ name, digest, family, parameterSize, quantization }: InstalledModel) {
  return {
    model: fullModelName(name),
    digest: digest ?? '',
    family: family ?? '',
    parameter_size: parameterSize ?? '',
    quantization: quantization ?? '',
  }
}
