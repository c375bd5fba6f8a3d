import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** The setting that names a config file with this text; the file is there until the end of the test. */
export function configFile(yaml: string): { readonly OLLASCOPE_CONFIG: string } {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'config.yaml')
  writeFileSync(path, yaml)
  return { OLLASCOPE_CONFIG: path }
}
