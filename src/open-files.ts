import { readFileSync } from 'node:fs'

/** How many files this process may have open, of which each connection is one; `undefined` where nobody tells or counts. */
export function readMaxOpenFiles(): number | undefined {
  try {
    return parseMaxOpenFiles(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    return undefined // no Linux
  }
}

/** The soft limit in the text of `/proc/<pid>/limits`. */
export function parseMaxOpenFiles(text: string): number | undefined {
  const [, digits] = /^Max open files +(\d+)/m.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits)
}
