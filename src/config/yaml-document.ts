import { LineCounter, parseDocument } from 'yaml'
import type { YAMLError } from 'yaml'
import { printable } from './parsers.ts'
import type { LineProblem } from './problem.ts'
import { createIndex } from './yaml-index.ts'

/** How often aliases may multiply what they stand for: more than anybody has models, less than a bomb needs. */
const MAX_ALIASES = 1000

// The parser compares every key with every other, minutes for a large file: the index finds twins instead. Whatever
// YAML version a file claims to be, it is read as 1.2.
const OPTIONS = {
  uniqueKeys: false,
  stringKeys: true,
  schema: 'core',
  merge: false,
  resolveKnownTags: false,
  prettyErrors: false,
  logLevel: 'error',
} as const

export interface YamlDocument {
  /** Null where the document is empty. */
  readonly value: unknown
  /** The line of the last key of the path, or of the last that there is. */
  readonly lineOf: (path: readonly string[]) => number
  /** What is wrong, though the value can be read. */
  readonly problems: readonly LineProblem[]
}

/** Text as one YAML document, or what is wrong with its syntax. Does not throw. */
export function parseYaml(text: string): YamlDocument | { readonly refused: readonly LineProblem[] } {
  try {
    const lines = new LineCounter()
    const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line)
    const document = parseDocument(text, { ...OPTIONS, lineCounter: lines })
    const wrong = syntaxProblems([...document.errors, ...document.warnings], lineAt)
    if (wrong.length > 0) return { refused: wrong }
    const { lineOf, twins, loose } = createIndex(document, lineAt)
    if (loose.length > 0) return { refused: [...twins, ...loose] }
    return { value: document.toJS({ maxAliasCount: MAX_ALIASES }), lineOf, problems: twins }
  } catch (error) {
    return { refused: [{ line: undefined, path: [], why: thrown(error) }] }
  }
}

function thrown(error: unknown): string {
  if (error instanceof RangeError) return NESTED
  // So the library calls it where aliases multiply.
  if (error instanceof ReferenceError) return 'its aliases (*name) multiply too often; write fewer'
  return 'not YAML that can be read; write a plain map'
}

/** The first of each line: what comes after it is mostly its echo. */
function syntaxProblems(errors: readonly YAMLError[], lineAt: (offset: number) => number): LineProblem[] {
  const nested = errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION')
  const firsts = new Map<number, LineProblem>()
  for (const { code, message, pos } of nested === undefined ? errors : [nested]) {
    const line = lineAt(pos[0])
    // Some end with what stands there, which may be a secret.
    const what = printable(message.replace(/:? *".*"$/s, ''))
    const why = REMEDIES[code] ?? `not YAML (${what}); check indentation, quotes and brackets`
    if (!firsts.has(line)) firsts.set(line, { line, path: [], why })
  }
  return [...firsts.values()]
}

const NESTED = 'nested too deeply; write maps of at most five levels'

const REMEDIES: Partial<Record<YAMLError['code'], string>> = {
  RESOURCE_EXHAUSTION: NESTED,
  MULTIPLE_DOCS: 'a second document begins; write only one, without --- between',
  TAB_AS_INDENT: 'indented with a tab; write spaces',
  NON_STRING_KEY: 'a key that is no plain text; write a name',
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " in one line; put what follows on a line of its own, or the value in quotes',
}
