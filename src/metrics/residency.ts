import { processorOf, type InstalledModel, type LoadedModel } from '../ollama/inventory.ts'
import { fullModelName } from '../ollama/model-name.ts'
import type { Sample } from './families.ts'

/** A number of each loaded model that has it. */
export function perModel(
  loaded: readonly LoadedModel[] | undefined,
  numberOf: (model: LoadedModel) => number | undefined,
): Sample[] {
  return (loaded ?? []).flatMap((model) => {
    const value = numberOf(model)
    return value === undefined ? [] : [{ labels: { model: fullModelName(model.name) }, value }]
  })
}

/** How many there are; no sample where nobody knows. */
export function countOf(models: readonly InstalledModel[] | undefined): Sample[] {
  return models === undefined ? [] : [{ labels: {}, value: models.length }]
}

/** Which version of each model there is. */
export function infoOf(models: readonly InstalledModel[] | undefined): Sample[] {
  return (models ?? []).map(({ name, digest, family, parameterSize, quantization }) => ({
    labels: {
      model: fullModelName(name),
      digest: digest ?? '',
      family: family ?? '',
      parameter_size: parameterSize ?? '',
      quantization: quantization ?? '',
    },
    value: 1,
  }))
}

export function gpuRatioOf(model: LoadedModel): number | undefined {
  return processorOf(model).gpuRatio
}
