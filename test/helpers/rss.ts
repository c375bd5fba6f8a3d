import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import type { RunningProcess } from './process.ts'

type Watched = Pick<RunningProcess, 'child'>

/** MiB of memory that a process has now. */
export const residentMiB = (watched: Watched) => statusMiB(watched, 'VmRSS')

/** The most since it started, or since `resetPeak`. */
export const peakMiB = (watched: Watched) => statusMiB(watched, 'VmHWM')

export function resetPeak(watched: Watched): void {
  writeFileSync(`${folderOf(watched)}/clear_refs`, '5')
}

/** The TCP connections of a process that have this port at one of their ends. */
export function connectionsWith(watched: Watched, port: number): number {
  const own = new Set(openFiles(watched))
  return sockets(port).filter(({ inode }) => own.has(`socket:[${inode}]`)).length
}

/** Connections from this port that no process has any more, and whose bytes the kernel keeps since nobody takes them. */
export function orphansFrom(port: number): number {
  return sockets(port).filter(({ inode, unsent, isFrom }) => inode === '0' && unsent > 0 && isFrom).length
}

function openFiles(watched: Watched): string[] {
  const folder = `${folderOf(watched)}/fd`
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(`${folder}/${fd}`)]
    } catch {
      return [] // closed meanwhile
    }
  })
}

interface TcpSocket {
  /** The port is at this end, not at the other. */
  readonly isFrom: boolean
  /** Bytes that wait to be sent or acknowledged. */
  readonly unsent: number
  /** `0` where no process has it. */
  readonly inode: string
}

const LISTENS = '0A'

/** See "proc_net_tcp" in the kernel's documentation. */
function sockets(port: number): TcpSocket[] {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  // There may be tens of thousands that others just closed.
  const lines = readFileSync('/proc/self/net/tcp', 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${ending} `))
  return lines.flatMap((line) => {
    const [, local = '', remote = '', state, queues = '', , , , , inode = ''] = line.trim().split(/ +/)
    if (state === LISTENS || ![local, remote].some((address) => address.endsWith(ending))) return []
    return [{ isFrom: local.endsWith(ending), unsent: Number.parseInt(queues, 16), inode }]
  })
}

function statusMiB(watched: Watched, name: string): number {
  const status = readFileSync(`${folderOf(watched)}/status`, 'utf8')
  const [, kib] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status) ?? []
  if (kib === undefined) throw new Error(`no ${name} in: ${status}`)
  return Number(kib) / 1024
}

function folderOf({ child: { pid } }: Watched): string {
  if (pid === undefined) throw new Error('it did not start')
  return `/proc/${pid}`
}
