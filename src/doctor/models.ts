import { amountOf, fieldsOf, listOf, textOf } from '../collectors/docker/fields.ts'

/** A model on Ollama's disk. */
export interface StoredModel {
  readonly name: string
  /** Of its files. */
  readonly bytes: number | undefined
  /** As Ollama writes it: `7.6B`. */
  readonly parameterSize: string | undefined
}

/** Reads `/api/tags`. Throws where it is not Ollama's. */
export function parseModels(json: unknown): readonly StoredModel[] {
  const { models } = fieldsOf(json)
  if (!Array.isArray(models) && models !== null) throw new Error("the answer to /api/tags is not Ollama's")
  return listOf(models)
    .map(fieldsOf)
    .flatMap(({ name, size, details }) => {
      const text = textOf(name)
      const parameterSize = textOf(fieldsOf(details).parameter_size)
      return text === undefined ? [] : [{ name: text, bytes: amountOf(size), parameterSize }]
    })
}

/** A 7B model of 7.7 GB (q8_0) takes 8.9 GB when it is loaded, and wants 10 to have room for its context. */
const ROOM = 1.3

/** Bytes of memory that a model wants. */
export function memoryWanted(bytes: number): number {
  return bytes * ROOM
}

/** `8.9 GB`, as models and disks are sold. */
export function gigabytes(bytes: number): string {
  const value = bytes / 1e9
  return `${value >= 10 ? Math.round(value) : Math.round(value * 10) / 10} GB`
}
