import { realpath, statfs } from 'node:fs/promises'
import { readIfThere } from './files.ts'
import { mountOf, parseMountinfo } from './mountinfo.ts'

export interface Filesystem {
  readonly availableBytes: number
  readonly sizeBytes: number
  /** Each '' where the system does not tell. */
  readonly labels: { readonly device: string; readonly fstype: string; readonly mountpoint: string }
}

/** The file system of the first of these folders that can be reached; `undefined` where none can. */
export async function readFilesystem(procRoot: string, folders: readonly string[]): Promise<Filesystem | undefined> {
  for (const folder of folders) {
    try {
      const path = await realpath(folder)
      const { bavail, blocks, bsize } = await statfs(path)
      const labels = await labelsOf(procRoot, path)
      return { availableBytes: bavail * bsize, sizeBytes: blocks * bsize, labels }
    } catch {
      continue
    }
  }
  return undefined
}

async function labelsOf(procRoot: string, path: string): Promise<Filesystem['labels']> {
  const mountinfo = await readIfThere(`${procRoot}/self/mountinfo`).catch(() => undefined)
  const mount = mountOf(parseMountinfo(mountinfo ?? ''), path)
  return { device: mount?.device ?? '', fstype: mount?.fstype ?? '', mountpoint: mount?.mountpoint ?? '' }
}
