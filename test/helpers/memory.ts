import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collectGarbage: unknown = runInNewContext('gc')

/** MiB that are in use when all garbage is gone. */
function inUse(): number {
  if (typeof collectGarbage !== 'function') throw new Error('no garbage collector to call')
  // The first one only begins to give the memory of buffers back.
  for (let i = 0; i < 2; i++) Reflect.apply(collectGarbage, undefined, [])
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 1024 / 1024
}

/** MiB more that are held after the work than before it. What the work fills must still be reachable afterwards. */
export function retainedBy(work: () => void): number {
  const before = inUse()
  work()
  return inUse() - before
}
