import { readFile } from 'node:fs/promises'
import type { Config, ReadFile } from './config.ts'
import { sharedTokens } from './config/access.ts'
import { readTls, type Tls } from './config/tls.ts'
import { readTokensFile, type Token } from './config/tokens.ts'
import { unreadable } from './config/wording.ts'

/** Something that is made of files, and made anew when they change. */
export interface Source {
  readonly name: 'tokens' | 'tls'
  readonly files: readonly string[]
  /** Takes the files over, or tells what is wrong with them and changes nothing. `read` may throw. */
  readonly load: (read: ReadFile) => readonly string[]
}

export interface Reloader {
  /** Whether what is in use is what the files say. */
  readonly states: () => readonly { readonly name: string; readonly sound: boolean }[]
  /** Looks once. */
  readonly look: () => Promise<void>
  readonly stop: () => void
}

/** How often to look. Not by the system's notifications: a mounted secret changes by a link that is swapped. */
const LOOK_EVERY_MS = 1000

type Text = { readonly text: string } | { readonly error: Error }

/** Reads the sources' files again and again. @param onChange told what is wrong with a source that changed; nothing, at best */
export function createReloader(
  sources: readonly Source[],
  onChange: (name: Source['name'], problems: readonly string[]) => void,
): Reloader {
  const seen = new Map<Source, string>()
  const unsound = new Set<Source>()
  let looking = false

  async function look(): Promise<void> {
    if (looking) return // a file system that hangs is not asked twice
    looking = true
    try {
      for (const source of sources) await lookAt(source)
    } finally {
      looking = false
    }
  }

  async function lookAt(source: Source): Promise<void> {
    const texts = new Map<string, Text>()
    for (const file of source.files) texts.set(file, await textOf(file))
    const state = JSON.stringify([...texts.values()].map((one) => ('text' in one ? one.text : [unreadable(one.error)])))
    const before = seen.get(source)
    if (state === before) return
    seen.set(source, state)
    const problems = load(source, (file) => {
      const one = texts.get(file) ?? { error: new Error('not read') }
      if ('error' in one) throw one.error
      return one.text
    })
    if (problems.length > 0) unsound.add(source)
    else unsound.delete(source)
    // The first time, they are what the configuration was made of.
    if (before !== undefined || problems.length > 0) onChange(source.name, problems)
  }

  const timer = sources.length === 0 ? undefined : setInterval(() => void look(), LOOK_EVERY_MS)
  timer?.unref()
  return {
    states: () => sources.map((source) => ({ name: source.name, sound: !unsound.has(source) })),
    look,
    stop: () => clearInterval(timer),
  }
}

/** What OpenSSL or another reader finds only when it takes the files over is a problem like any other. */
function load(source: Source, read: ReadFile): readonly string[] {
  try {
    return source.load(read)
  } catch (error) {
    // Its message could quote what stands in the file.
    return [`cannot be used (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'})`]
  }
}

async function textOf(file: string): Promise<Text> {
  try {
    return { text: await readFile(file, 'utf8') }
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }
}

/** What can change while the process runs. */
export function reloadable(
  { access, tls }: Pick<Config, 'access' | 'tls'>,
  setTokens: (tokens: readonly Token[]) => void,
  setTls: (tls: Tls) => void,
): Source[] {
  const sources: Source[] = []
  const { tokensFile, fileTokens } = access
  if (tokensFile !== undefined) {
    const load = (read: ReadFile) => {
      const parsed = readTokensFile(tokensFile, read)
      if ('problems' in parsed) return parsed.problems
      const problems = sharedTokens(parsed.value, fileTokens)
      if (problems.length > 0) return problems
      setTokens([...fileTokens, ...parsed.value])
      return []
    }
    sources.push({ name: 'tokens', files: [tokensFile], load })
  }
  if (tls !== undefined) {
    const { certFile, keyFile, clientCaFile } = tls
    const files = [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])]
    const load = (read: ReadFile) => {
      const parsed = readTls(tls, read)
      if ('problems' in parsed) return parsed.problems.map(({ file, why }) => `${file}: ${why}`)
      setTls(parsed.value)
      return []
    }
    sources.push({ name: 'tls', files, load })
  }
  return sources
}
