import type { Fields } from '../ollama/ask.ts'
import { formatBytes } from './size.ts'

/** How far a pull is, over all layers that it told of. */
export interface Progress {
  readonly status: string
  readonly completed: number
  readonly total: number
}

/** Adds up what Ollama says of each layer. */
export function createProgress(): { readonly add: (line: Fields) => Progress } {
  const layers = new Map<string, { readonly completed: number; readonly total: number }>()
  return {
    add: (line) => {
      const { digest, total, completed } = line
      if (typeof digest === 'string' && typeof total === 'number') {
        layers.set(digest, { total, completed: typeof completed === 'number' ? completed : 0 })
      }
      const sum = (key: 'completed' | 'total') => [...layers.values()].reduce((all, layer) => all + layer[key], 0)
      const status = typeof line.status === 'string' ? line.status : ''
      return { status, completed: sum('completed'), total: sum('total') }
    },
  }
}

/** `[#######----------]  41 %  1.9 GB of 4.7 GB`; the status alone before anything is known. */
export function bar({ status, completed, total }: Progress, width = 30): string {
  if (total === 0) return status
  const part = Math.min(1, completed / total)
  const full = Math.floor(part * width)
  const percent = String(Math.floor(part * 100)).padStart(3)
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}] ${percent} %  ${formatBytes(completed)} of ${formatBytes(total)}`
}
