import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { ROOT } from '../helpers/process.ts'

export const FOLDER = join(ROOT, 'docs/runbooks')

interface Block {
  readonly language: string
  readonly text: string
}

interface Page {
  /** Without `.md`. */
  readonly name: string
  readonly text: string
  readonly blocks: readonly Block[]
}

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

/** All pages, the index too. */
export const PAGES: readonly Page[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.md'))
  .map((file) => {
    const text = readFileSync(join(FOLDER, file), 'utf8')
    return { name: file.slice(0, -'.md'.length), text, blocks: blocksOf(text) }
  })

/** The rules; several may share a name. */
export const ALERTS: readonly Alert[] = (
  parse(readFileSync(join(ROOT, 'prometheus/rules/alerts.yml'), 'utf8')) as { groups: { rules: Alert[] }[] }
).groups.flatMap(({ rules }) => rules)

export function blocksIn(page: Page, language: string): readonly string[] {
  return page.blocks.filter((block) => block.language === language).map(({ text }) => text)
}

/** The fenced blocks, also those in a list. */
function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^( *)```(\w+)\n([^]*?)^\1```$/gm)].map(([, indent = '', language = '', body = '']) => ({
    language,
    text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }))
}
