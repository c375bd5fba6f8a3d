import { readIfThere } from '../host/files.ts'
import { parseMountinfo } from '../host/mountinfo.ts'
import type { Roots } from './locate.ts'
import { containerIdInMounts, containerIdInPath, parseStat, type Membership } from './process.ts'

/**
 * What a container is known by: 64 hexadecimal digits; where there are none, which process is its first and when it
 * was started. `undefined` where that process is gone.
 * @throws CollectError `permission` or `unreadable`
 */
export async function identify({ procRoot }: Roots, pid: number, { path }: Membership): Promise<string | undefined> {
  const inPath = containerIdInPath(path)
  if (inPath !== undefined) return inPath
  const inMounts =
    path === '/' && containerIdInMounts(parseMountinfo((await readIfThere(`${procRoot}/${pid}/mountinfo`)) ?? ''))
  if (inMounts) return inMounts
  const stat = parseStat((await readIfThere(`${procRoot}/${pid}/stat`)) ?? '')
  return stat && `${pid}:${stat.startTicks}`
}
