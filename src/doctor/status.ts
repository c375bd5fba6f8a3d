import { amountOf, fieldsOf, listOf, textOf } from '../collectors/docker/fields.ts'

/** What is used of the document at `/status`. */
export interface Status {
  readonly role: string
  readonly status: string
  readonly gpuExpected: boolean
  readonly because: string
  readonly gpus: readonly SeenGpu[]
  readonly collectors: readonly { readonly name: string; readonly status: string; readonly message: string }[]
}

interface SeenGpu {
  readonly vendor: string
  readonly name: string
  readonly usedBytes: number | undefined
  readonly totalBytes: number | undefined
}

/** Throws where it is not Ollascope's. */
export function parseStatus(json: unknown): Status {
  const { role, status, gpu, collectors } = fieldsOf(json)
  if (typeof role !== 'string' || typeof status !== 'string')
    throw new Error("the answer to /status is not Ollascope's")
  const { expected, because, gpus } = fieldsOf(gpu)
  return {
    role,
    status,
    gpuExpected: expected === true,
    because: textOf(because) ?? '',
    gpus: listOf(gpus)
      .map(fieldsOf)
      .map(({ vendor, name, memory_used_bytes, memory_total_bytes }) => ({
        vendor: textOf(vendor) ?? '',
        name: textOf(name) ?? '',
        usedBytes: amountOf(memory_used_bytes),
        totalBytes: amountOf(memory_total_bytes),
      })),
    collectors: listOf(collectors)
      .map(fieldsOf)
      .map(({ name, status: state, message }) => ({
        name: textOf(name) ?? '',
        status: textOf(state) ?? '',
        message: textOf(message) ?? '',
      })),
  }
}
