import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp, type RunningApp } from '../helpers/app.ts'
import { openRaw, parseMessage } from '../helpers/raw.ts'
import { serveStandIn, type RunningStandIn } from '../helpers/stand-in.ts'

const TOKEN = 'a-token:of-the-operators'
const PEOPLE = ['/', '/status', '/events']
const MACHINES = ['/metrics', '/health', '/health/ollama', '/nope']
const ASKS = 'Basic realm="ollascope", charset="UTF-8"'

let standIn: RunningStandIn
let app: RunningApp
let guarded: RunningApp

beforeAll(async () => {
  standIn = await serveStandIn()
  app = await startApp(standIn.port)
  guarded = await startApp(standIn.port, { OLLASCOPE_ADMIN_TOKEN: TOKEN })
})
afterAll(async () => {
  for (const one of [app, guarded]) await one.close()
  await standIn.close()
})

const basic = (text: string, scheme = 'Basic') => `${scheme} ${Buffer.from(text).toString('base64')}`

/** What comes of a HEAD, since an answer of /events has no end. */
async function ask(path: string, authorization?: string, method = 'HEAD') {
  const headers = authorization === undefined ? {} : { authorization }
  const { status, headers: answered } = await fetch(`${guarded.adminUrl}${path}`, { method, headers })
  return { status, challenge: answered.get('www-authenticate') }
}

describe('the live page', () => {
  it('is one file that runs its own script and style, and nothing else', async () => {
    const response = await fetch(app.adminUrl)
    const html = await response.text()
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const policy = response.headers.get('content-security-policy') ?? ''
    const directives: unknown = Object.fromEntries(policy.split('; ').map((one) => one.split(/ (.*)/)))
    expect(directives).toEqual({
      'default-src': "'none'",
      'script-src': hashesOf('script', html),
      'style-src': hashesOf('style', html),
      'connect-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
      'require-trusted-types-for': "'script'",
    })
    expect(response.headers.get('cross-origin-resource-policy')).toBe('same-origin')
  })

  it('refers to nothing outside, and never makes markup of text', async () => {
    const html = await (await fetch(app.adminUrl)).text()
    expect(
      html.match(/\b(?:src|srcset|action|data|poster|background)=|@import|url\(|\/\/[a-z]+\.|\bimport\b/g),
    ).toBeNull()
    expect([...html.matchAll(/\bhref="([^"]*)"/g)].map(([, target]) => target)).toEqual(['status'])
    expect(html).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\bon[a-z]+=/)
    expect(html).not.toMatch(/ style="/)
  })

  it('of HEAD is that of GET without a body', async () => {
    const { ended } = openRaw(app.adminPort, 'HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    const head = parseMessage((await ended).bytes, true)
    const response = await fetch(app.adminUrl)
    expect(head.startLine).toBe('HTTP/1.1 200 OK')
    expect(head.body.length).toBe(0)
    const fields = new Map(head.headers.map(([name, value]) => [name.toLowerCase(), value]))
    for (const name of ['content-type', 'content-security-policy', 'content-length']) {
      expect(fields.get(name), name).toBe(response.headers.get(name))
    }
    expect(Number(fields.get('content-length'))).toBe((await response.arrayBuffer()).byteLength)
  })

  it('is not for a name that led a browser here', async () => {
    for (const path of PEOPLE) {
      const { ended } = openRaw(
        app.adminPort,
        `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
      )
      expect(parseMessage((await ended).bytes).startLine).toBe('HTTP/1.1 403 Forbidden')
    }
  })
})

describe('the token', () => {
  it.each(PEOPLE)('of %s comes as a bearer, or as the password of any user', async (path) => {
    for (const right of [`Bearer ${TOKEN}`, basic(`me:${TOKEN}`), basic(`:${TOKEN}`), basic(`ü:${TOKEN}`, 'basic')]) {
      expect(await ask(path, right), right).toEqual({ status: 200, challenge: null })
    }
    const wrong = [`me:${TOKEN}x`, `me:x${TOKEN}`, `${TOKEN}:`, TOKEN, 'me:', ':', '']
    for (const authorization of [
      undefined,
      'Basic',
      'Basic  ',
      `Bearer ${TOKEN}x`,
      ...wrong.map((one) => basic(one)),
    ]) {
      const challenge = path === '/' ? ASKS : 'Bearer realm="ollascope"'
      expect(await ask(path, authorization), authorization).toEqual({ status: 401, challenge })
    }
  })

  it.each(MACHINES)('of %s comes as a bearer only', async (path) => {
    expect(await ask(path, basic(`me:${TOKEN}`))).toEqual({ status: 401, challenge: 'Bearer realm="ollascope"' })
    expect((await ask(path, `Bearer ${TOKEN}`)).status).not.toBe(401)
  })

  it('does not make a browser ask where something is sent', async () => {
    expect(await ask('/', undefined, 'POST')).toEqual({ status: 401, challenge: 'Bearer realm="ollascope"' })
  })

  it('is asked for in words, and not told', async () => {
    const { error } = (await (await fetch(guarded.adminUrl)).json()) as { error: string }
    expect(error).toContain('OLLASCOPE_ADMIN_TOKEN as the password')
    expect(error).not.toContain(TOKEN)
  })
})

function hashesOf(element: string, html: string): string {
  const texts = html
    .split(new RegExp(`<${element}(?: [^>]*)?>`))
    .slice(1)
    .map((rest) => rest.split(`</${element}>`)[0] ?? '')
  return texts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ')
}
