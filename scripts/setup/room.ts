import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { homedir, totalmem } from 'node:os'
import { join } from 'node:path'
import { formatBytes, loadedSize } from './size.ts'

/** Kept free beside a model, for layers that are being put together and for the system. */
const SPARE_DISK = 2e9

/** What this machine has; undefined where it cannot be known. */
export interface Room {
  readonly disk: number | undefined
  readonly memory: number | undefined
}

/** What is in the way of a model of so many bytes. Memory is a warning alone: a GPU's is not in it. */
export function judge(bytes: number, { disk, memory }: Room): { readonly lacking?: string; readonly warning?: string } {
  const needed = bytes + SPARE_DISK
  const loaded = loadedSize(bytes)
  return {
    ...(disk !== undefined &&
      disk < needed && { lacking: `needs ${formatBytes(needed)} of disk, and ${formatBytes(disk)} are free` }),
    ...(memory !== undefined &&
      memory < loaded && {
        warning: `takes about ${formatBytes(loaded)} loaded, and ${formatBytes(memory)} of memory are free: without a GPU that has them, expect it to be killed`,
      }),
  }
}

/** Of the disk that this folder, or what is there of it, is on; else of the first usual store that there is. */
export function roomHere(store: string | undefined, env: Readonly<Record<string, string | undefined>>): Room {
  const usual = [env.OLLAMA_MODELS, join(homedir(), '.ollama/models'), '/usr/share/ollama', '/var/lib/docker/volumes']
  const folder = store ?? usual.find((path) => path !== undefined && path !== '' && existsSync(path)) ?? '/'
  return { disk: diskOf(folder), memory: memoryHere() }
}

function diskOf(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return undefined
  }
}

function memoryHere(): number {
  try {
    const [, kilobytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? []
    return Number(kilobytes) * 1024
  } catch {
    return totalmem() // a Mac: its memory is the GPU's too, and what is free says little
  }
}
