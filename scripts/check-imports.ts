/**
 * Holds the direction of imports. The tool alone is not enough: where it cannot read TypeScript it cruises nothing and
 * says that all is well, so the number of modules is compared with the number of files.
 */
import { readdirSync } from 'node:fs'
import { cruise } from 'dependency-cruiser'
import rules from '../.dependency-cruiser.json' with { type: 'json' }

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const { forbidden, options } = rules
const result = await cruise(['src'], { validate: true, ruleSet: { forbidden } as never, ...options })
if (typeof result.output === 'string') throw new Error(result.output)
const { modules, summary } = result.output
const cruised = modules.filter(({ source }) => source.startsWith('src/')).length
const edges = modules.reduce((sum, { dependencies }) => sum + dependencies.length, 0)

for (const { rule, from, to } of summary.violations) console.error(`${rule.name}: ${from} -> ${to}`)
if (cruised < files.length) console.error(`only ${cruised} of ${files.length} files were read: the check is blind`)
if (edges < files.length) console.error(`only ${edges} imports were seen: the check is blind`)
console.log(`imports: ${cruised} modules, ${edges} imports, ${summary.error} violations`)
process.exitCode = summary.error > 0 || cruised < files.length || edges < files.length ? 1 : 0
