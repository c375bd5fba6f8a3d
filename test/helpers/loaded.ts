import type { LoadedModel } from '../../src/ollama/inventory.ts'

/** A model in memory of which nothing is known but what the test says. */
export function loadedModel(name: string, details: Partial<LoadedModel> = {}): LoadedModel {
  return {
    name,
    digest: undefined,
    family: undefined,
    parameterSize: undefined,
    quantization: undefined,
    sizeBytes: undefined,
    vramBytes: undefined,
    contextLength: undefined,
    expiresAt: undefined,
    ...details,
  }
}
