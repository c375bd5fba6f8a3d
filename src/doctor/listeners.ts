import { readFile, readdir, readlink } from 'node:fs/promises'
import { basename } from 'node:path'

/** The inodes of the sockets that listen on a port, by the text of /proc/net/tcp or tcp6. */
export function listeningInodes(text: string, port: number): readonly string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === '0A' && local.endsWith(`:${wanted}`))
    .flatMap((fields) => fields[9] ?? [])
}

/**
 * Who listens on a port of this machine (or network namespace), as far as this user may see.
 * @returns `undefined` where nobody does, or there is no /proc; '' where somebody does whose process may not be seen
 */
export async function findListener(procRoot: string, port: number): Promise<string | undefined> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => textAt(`${procRoot}/net/${name}`)))
  const inodes = new Set(tables.flatMap((text) => listeningInodes(text, port)))
  if (inodes.size === 0) return undefined
  for (const pid of (await readdir(procRoot)).filter((name) => /^\d+$/.test(name))) {
    const folder = `${procRoot}/${pid}/fd`
    for (const fd of await readdir(folder).catch(() => [])) {
      const [, inode = ''] = /^socket:\[(\d+)\]$/.exec(await readlink(`${folder}/${fd}`).catch(() => '')) ?? []
      if (inodes.has(inode)) return `${await nameOf(`${procRoot}/${pid}`)} (pid ${pid})`
    }
  }
  return ''
}

/** By the file that it runs: a process may call itself anything, and Node calls itself MainThread. */
async function nameOf(folder: string): Promise<string> {
  const path = await readlink(`${folder}/exe`).catch(() => '')
  return basename(path) || (await textAt(`${folder}/comm`)).trim()
}

function textAt(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
