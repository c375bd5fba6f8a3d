import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { CollectError } from '../collector.ts'

/** mountinfo of a machine with a thousand containers is not half as long. */
const MAX_BYTES = 4 * 1024 * 1024
const BLOCK_BYTES = 16 * 1024
/** A process or a cgroup that ended while it was read: ESRCH and ENODEV. */
const MISSING: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'ESRCH', 'ENODEV'])
const DENIED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM'])

/**
 * A small text file of the kernel's.
 * @returns `undefined` where it is not there, or not any more
 * @throws CollectError `permission` or `unreadable`
 */
export async function readIfThere(path: string): Promise<string | undefined> {
  return unlessMissing(path, () => readText(path))
}

/**
 * What the file system says about a path; `undefined` where the path is not there, or not any more.
 * @throws CollectError `permission` or `unreadable`
 */
export async function unlessMissing<T>(path: string, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (MISSING.has(code)) return undefined
    const cause = { cause: error }
    if (DENIED.has(code)) throw new CollectError('permission', `${path} may not be read`, cause)
    throw new CollectError('unreadable', `${path} cannot be read: ${String(error)}`, cause)
  }
}

/** Bounded, and without waiting: what lies in a container's file system may be a pipe, or have no end. */
async function readText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const blocks: Buffer[] = []
    for (let length = 0; length <= MAX_BYTES;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(BLOCK_BYTES), 0, BLOCK_BYTES)
      if (bytesRead === 0) return Buffer.concat(blocks).toString()
      blocks.push(buffer.subarray(0, bytesRead))
      length += bytesRead
    }
    throw new Error(`it is longer than ${MAX_BYTES} bytes`)
  } finally {
    await file.close()
  }
}
