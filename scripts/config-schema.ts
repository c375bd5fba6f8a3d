/**
 * Writes docs/config.schema.json, for editors, from the schema that the program checks OLLASCOPE_CONFIG with:
 * `node scripts/config-schema.ts`. A test holds them equal.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format } from 'prettier'
import { configSchema } from '../src/config/schema.ts'

const file = fileURLToPath(new URL('../docs/config.schema.json', import.meta.url))
writeFileSync(file, await format(JSON.stringify(configSchema, null, 2), { parser: 'json', printWidth: 120 }))
