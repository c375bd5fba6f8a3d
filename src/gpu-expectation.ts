import { processorOf, type LoadedModel } from './ollama/inventory.ts'
import { fullModelName } from './ollama/model-name.ts'

/** Whether a GPU is to be there, and why. It outlives the GPU: what vanished is missed only where it was expected. */
export interface GpuExpectation {
  readonly expected: boolean
  readonly because: 'configured' | 'seen' | 'seen before this process began' | 'never seen'
}

export interface GpuWatch {
  expectation(): GpuExpectation
  /** A GPU is there, or does some of the work. */
  noteGpu(): void
  /** Whether one was seen by this process. */
  isSeen(): boolean
}

/**
 * @param setting OLLASCOPE_GPU_EXPECTED
 * @param seenBefore what an earlier process left behind
 * @param onFirstSeen a GPU is seen for the first time ever
 */
export function createGpuWatch(
  setting: 'auto' | 'true' | 'false',
  seenBefore: boolean,
  onFirstSeen: () => void,
): GpuWatch {
  let seen = false
  return {
    expectation() {
      if (setting !== 'auto') return { expected: setting === 'true', because: 'configured' }
      if (seen) return { expected: true, because: 'seen' }
      return seenBefore
        ? { expected: true, because: 'seen before this process began' }
        : { expected: false, because: 'never seen' }
    },
    noteGpu() {
      if (seen) return
      seen = true
      if (!seenBefore) onFirstSeen()
    },
    isSeen: () => seen,
  }
}

/** The loaded models that run on the CPU alone and are not meant to, by full name. */
export function modelsOnCpu(loaded: readonly LoadedModel[], meantForCpu: ReadonlySet<string>): string[] {
  return loaded
    .filter((model) => processorOf(model).processor === 'cpu')
    .map(({ name }) => fullModelName(name))
    .filter((name) => !meantForCpu.has(name))
}
