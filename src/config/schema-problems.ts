import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { MAX_CONNECT_RETRIES } from './model-limits.ts'
import type { Problem } from './problem.ts'
import { configSchema } from './schema.ts'
import { editDistance, suggest } from './suggest.ts'
import { entriesOf, fieldOf, parseTarget } from './targets.ts'
import { NO_NAME, HOW_TO_HASH } from './tokens.ts'

let validate: ValidateFunction | undefined

/** Where the value is not as the schema wants it, in a person's words; not every problem that a value can have. */
export function schemaProblems(value: unknown): readonly Problem[] {
  // Compiled on first use: it takes longer than all the rest, and most have no file.
  validate ??= new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true }).compile(configSchema)
  if (validate(value)) return []
  // What is wrong with a name is said by its map.
  return (validate.errors ?? []).filter(({ propertyName }) => propertyName === undefined).map(inWords)
}

function inWords(error: ErrorObject): Problem {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  const { keyword, parentSchema: schema, data: value } = error
  if (path[0] === 'tokens') return { path, why: tokenProblem(error) }
  switch (keyword) {
    case 'additionalProperties':
      return { path: [...path, paramOf(error, 'additionalProperty')], why: unknownKey(error) }
    case 'propertyNames':
      return { path: [...path, paramOf(error, 'propertyName')], why: 'a name is empty; write one' }
    case 'const':
      return { path, value, why: 'not cpu; write cpu, or leave it out' }
    case 'type':
      // What stands in the place of a map may be a token that lost its own.
      return isMap(schema) ? { path, why: noMap(schema) } : { path, value, why: wrongType(schema) }
    case 'minimum':
    case 'maximum':
      return { path, value, why: NO_RETRIES }
    case 'pattern':
      return { path, value, why: NO_DURATION }
    default:
      return { path, why: `${error.message ?? keyword}; see docs/config.md` }
  }
}

function tokenProblem({ keyword, instancePath }: ErrorObject): string {
  if (keyword === 'propertyNames') return NO_NAME
  return instancePath === '/tokens'
    ? 'not a map of tokens; write name: hash, or leave tokens out'
    : `not a hash; ${HOW_TO_HASH}, or a list of such`
}

const refused = parseTarget('')
const NO_DURATION = 'problem' in refused ? refused.problem : ''
const NO_RETRIES = `not a whole number; write one from 0 to ${MAX_CONNECT_RETRIES}`

function unknownKey(error: ErrorObject): string {
  const key = paramOf(error, 'additionalProperty')
  const known = entriesOf(fieldOf(error.parentSchema, 'properties')).map(([name]) => name)
  const near = suggest(key, known)
  // In a name of three letters, three edits are no slip.
  const meant = near !== undefined && editDistance(key, near) * 2 <= near.length ? `did you mean ${near}? ` : ''
  return `unknown key; ${meant}what can stand here: ${keysOf(error.parentSchema).join(', ')}`
}

function wrongType(schema: unknown): string {
  if (fieldOf(schema, 'pattern') !== undefined) return NO_DURATION
  if (fieldOf(schema, 'type') === 'integer') return NO_RETRIES
  return 'not text; write a name, in quotes where it looks like a number'
}

function isMap(schema: unknown): boolean {
  return Array.isArray(fieldOf(schema, 'type'))
}

function noMap(schema: unknown): string {
  const known = keysOf(schema)
  return known.length > 0
    ? `not a map; write keys with values; what can stand here: ${known.join(', ')}`
    : 'not a map; write names with what belongs to them'
}

function keysOf(schema: unknown): string[] {
  return entriesOf(fieldOf(schema, 'properties')).map(([key]) => key)
}

function paramOf({ params }: ErrorObject, name: string): string {
  return String(fieldOf(params, name))
}
