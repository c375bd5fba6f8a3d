// Who may ask, in a file that changes while it is in use.
import { createHash } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Tokens {
  readonly path: string
  /** One that is always good; the numbers share them out. */
  readonly good: (number: number) => string
  /** One that may be good now. */
  readonly passing: (number: number) => string
  /** Writes the file anew: some tokens change. */
  readonly rotate: () => void
  /** Writes a file that is none. */
  readonly spoil: () => void
}

const CLIENTS = ['ci', 'laptop', 'team-a', 'team.b', 'night_batch']
/** So many tokens take turns. */
const PASSING = 4

const hashOf = (token: string) => createHash('sha256').update(token).digest('hex')
const tokenOf = (client: string) => `the-token-of-${client}`
const passing = (number: number) => `passing-${number % PASSING}`

export function createTokens(folder: string): Tokens {
  const path = join(folder, 'tokens')
  let version = 0
  // As a whole: a reader never meets half a file.
  const write = (text: string) => {
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
  const rotate = () => {
    version++
    const lines = CLIENTS.map((client) => `${client}:${hashOf(tokenOf(client))}`)
    write(`# version ${version}\n${lines.join('\n')}\nguest:${hashOf(passing(version))}\n`)
  }
  rotate()
  return {
    path,
    good: (number) => tokenOf(CLIENTS[number % CLIENTS.length] ?? ''),
    passing,
    rotate,
    spoil: () => write(`ci:${hashOf('other')}\nnot a token ${version}\n`),
  }
}
