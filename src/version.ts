import { readFileSync } from 'node:fs'

export interface Version {
  readonly version: string
  /** The commit that was built; `unknown` outside a build. */
  readonly revision: string
}

/** Read from the package itself, which lies one level above, compiled or not. */
export function readVersion(): Version {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : ''
  return { version: String(version), revision: readRevision() }
}

function readRevision(): string {
  try {
    return readFileSync(new URL('./REVISION', import.meta.url), 'utf8').trim() || 'unknown'
  } catch {
    return 'unknown' // running from source
  }
}
