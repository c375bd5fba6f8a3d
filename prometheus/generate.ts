import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { generate } from './source/generate.ts'

const { values } = parseArgs({ options: { check: { type: 'boolean' }, 'runbook-base': { type: 'string' } } })

for (const [path, text] of generate(values['runbook-base'])) {
  const file = new URL(path, import.meta.url)
  if (text === read(file)) continue
  if (values.check) {
    console.error(`prometheus/${path} is out of date: run "node prometheus/generate.ts"`)
    process.exitCode = 1
  } else {
    mkdirSync(dirname(file.pathname), { recursive: true })
    writeFileSync(file, text)
    console.log(`prometheus/${path} written`)
  }
}

function read(file: URL): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
