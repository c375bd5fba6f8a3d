import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The live page, and what a browser may do with it. */
export interface Page {
  readonly html: string
  readonly policy: string
}

/** Reads it from beside this module. It runs its own script and style, by their hashes, and asks nobody but here. */
export function readPage(): Page {
  const html = readFileSync(join(import.meta.dirname, 'live.html'), 'utf8')
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf('script', html)}`,
    `style-src ${hashOf('style', html)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // No text of a client or of Ollama can become markup, whatever the script does.
    "require-trusted-types-for 'script'",
  ]
  return { html, policy: policy.join('; ') }
}

function hashOf(element: 'script' | 'style', html: string): string {
  const [, text] = new RegExp(`<${element}[^>]*>([^]*?)</${element}>`).exec(html) ?? []
  if (text === undefined) throw new Error(`the live page has no ${element}`)
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
