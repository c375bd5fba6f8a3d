/**
 * Writes docs/METRICS.md from the definitions, so that the catalogue says what the program does:
 * `node scripts/metrics-docs.ts`, and with `--check` it only says whether the file is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { metricsDocument } from './metrics-document.ts'

const file = fileURLToPath(new URL('../docs/METRICS.md', import.meta.url))
const wanted = metricsDocument()

if (!process.argv.includes('--check')) writeFileSync(file, wanted)
else if (readFileSync(file, 'utf8') !== wanted) {
  console.error('docs/METRICS.md is out of date: run "node scripts/metrics-docs.ts"')
  process.exitCode = 1
}
