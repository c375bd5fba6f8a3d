import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readTls, type Tls } from '../../src/config/tls.ts'
import type { Token } from '../../src/config/tokens.ts'
import { createReloader, reloadable, type Source } from '../../src/reload.ts'
import { createPair } from './config/certificates.ts'

let folder: string
const path = (name: string) => join(folder, name)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reload-'))
  // The test looks itself, but for the one that is about the timer.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true, force: true })
})

/** A reloader of one source that takes what `judge` says nothing against. */
function reloading(files: readonly string[], judge: (texts: readonly string[]) => readonly string[] = () => []) {
  const loads: string[][] = []
  const changes: (readonly string[])[] = []
  const source: Source = {
    name: 'tokens',
    files,
    load: (read) => {
      try {
        const texts = files.map(read)
        loads.push(texts)
        return judge(texts)
      } catch (error) {
        loads.push([(error as NodeJS.ErrnoException).code ?? String(error)])
        return ['unreadable']
      }
    },
  }
  const reloader = createReloader([source], (name, problems) => {
    expect(name).toBe('tokens')
    changes.push(problems)
  })
  return { reloader, loads, changes, isSound: () => reloader.states()[0]?.sound }
}

describe('a reloader', () => {
  it('loads what it sees first, and says nothing of it where it is sound', async () => {
    writeFileSync(path('a'), 'one')
    const { reloader, loads, changes } = reloading([path('a')])
    expect(reloader.states()).toEqual([{ name: 'tokens', sound: true }])
    await reloader.look()
    await reloader.look()
    expect([loads, changes]).toEqual([[['one']], []])
    expect(reloader.states()).toEqual([{ name: 'tokens', sound: true }])
  })

  it('tells at once where it is broken at the first look', async () => {
    const { reloader, loads, changes, isSound } = reloading([path('a')])
    await reloader.look()
    expect([loads, changes, isSound()]).toEqual([[['ENOENT']], [['unreadable']], false])
    writeFileSync(path('a'), 'one')
    await reloader.look()
    expect([loads, changes, isSound()]).toEqual([[['ENOENT'], ['one']], [['unreadable'], []], true])
  })

  it('tells of each change once, whether it is taken or not', async () => {
    writeFileSync(path('a'), '1')
    writeFileSync(path('b'), '2')
    const { reloader, loads, changes, isSound } = reloading([path('a'), path('b')], (texts) =>
      texts.includes('bad') ? ['it is bad'] : [],
    )
    const steps: [text: string, told: string[] | undefined, sound: boolean][] = [
      ['2', undefined, true],
      ['3', [], true],
      ['bad', ['it is bad'], false],
      ['bad', undefined, false],
      ['3', [], true], // back to what is in use
      ['3', undefined, true],
    ]
    await reloader.look()
    for (const [text, told, sound] of steps) {
      const before = changes.length
      writeFileSync(path('b'), text)
      await reloader.look()
      expect([text, changes.slice(before), isSound()]).toEqual([text, told === undefined ? [] : [told], sound])
    }
    expect(loads.map((texts) => texts.join())).toEqual(['1,2', '1,3', '1,bad', '1,3'])
  })

  it('tells a file that is missing from one that says so', async () => {
    writeFileSync(path('a'), 'x')
    const { reloader, changes } = reloading([path('a')])
    await reloader.look()
    const states = [
      () => rmSync(path('a')),
      () => mkdirSync(path('a')),
      () => rmSync(path('a'), { recursive: true }),
      () => writeFileSync(path('a'), ''),
      () => writeFileSync(path('a'), 'cannot be read (no such file); write the path of a file'),
      () => rmSync(path('a')),
    ]
    for (const [index, change] of states.entries()) {
      change()
      await reloader.look()
      expect(changes).toHaveLength(index + 1)
    }
    expect(changes.map((problems) => problems.length)).toEqual([1, 1, 1, 0, 0, 1])
  })

  it('sees a link that is swapped', async () => {
    writeFileSync(path('one'), '1')
    writeFileSync(path('two'), '2')
    symlinkSync('one', path('link'))
    const { reloader, loads } = reloading([path('link')])
    await reloader.look()
    symlinkSync('two', path('other'))
    renameSync(path('other'), path('link'))
    await reloader.look()
    expect(loads).toEqual([['1'], ['2']])
  })

  it('does not look twice at the same time', async () => {
    writeFileSync(path('a'), 'one')
    const { reloader, loads } = reloading([path('a')])
    let over = false
    const first = reloader.look().then(() => (over = true))
    await reloader.look()
    expect(over).toBe(false)
    await first
    expect(loads).toEqual([['one']])
    writeFileSync(path('a'), 'two')
    await reloader.look()
    expect(loads).toEqual([['one'], ['two']])
  })

  it('looks each second, until it is stopped', async () => {
    writeFileSync(path('a'), 'one')
    let told: () => void = () => undefined
    const reloader = createReloader([{ name: 'tls', files: [path('a')], load: () => [] }], () => told())
    await reloader.look()
    for (const text of ['two', 'three']) {
      writeFileSync(path('a'), text)
      const change = new Promise<void>((resolve) => (told = resolve))
      vi.advanceTimersByTime(1000)
      await change
      await nextTurn() // that look is over
    }
    expect(vi.getTimerCount()).toBe(1)
    reloader.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('has nothing to do without sources', async () => {
    const reloader = createReloader([], () => expect.fail('nothing can change'))
    expect(vi.getTimerCount()).toBe(0)
    await reloader.look()
    expect(reloader.states()).toEqual([])
    reloader.stop()
  })

  it('goes on where one source breaks another', async () => {
    writeFileSync(path('a'), 'one')
    const load = vi.fn(() => [])
    const sources: Source[] = [
      { name: 'tokens', files: [path('missing')], load: () => ['unreadable'] },
      { name: 'tls', files: [path('a')], load },
    ]
    const reloader = createReloader(sources, () => undefined)
    await reloader.look()
    expect(load).toHaveBeenCalledOnce()
    expect(reloader.states()).toEqual([
      { name: 'tokens', sound: false },
      { name: 'tls', sound: true },
    ])
    reloader.stop()
  })
})

describe('what can be reloaded', () => {
  const line = (name: string, text: string) => `${name}:${createHash('sha256').update(text).digest('hex')}\n`
  const token = (name: string, text: string): Token => ({ name, sha256: line('', text).trim().slice(1) })
  const access = (tokensFile: string | undefined, fileTokens: readonly Token[] = []) => ({
    policy: 'full' as const,
    tokens: undefined,
    tokensFile,
    fileTokens,
    trustedProxies: [],
    allowedHosts: 'any' as const,
    allowedOrigins: 'any' as const,
    requestsPerMinute: undefined,
  })
  const never = () => expect.fail('it was not to be set')

  it('is nothing where nothing comes from files', () => {
    expect(reloadable({ access: access(undefined, [token('ann', 'a')]), tls: undefined }, never, never)).toEqual([])
  })

  it('are the tokens, beside those of the config file', () => {
    const set = vi.fn()
    const own = token('own', 'o')
    const [source, ...more] = reloadable({ access: access('/tokens', [own]), tls: undefined }, set, never)
    expect([source?.name, source?.files, more]).toEqual(['tokens', ['/tokens'], []])
    expect(source?.load(() => line('ann', 'a') + line('bob', 'b'))).toEqual([])
    expect(set.mock.calls).toEqual([[[own, token('ann', 'a'), token('bob', 'b')]]])
    for (const bad of ['', '# none\n', 'ann\n', `${line('ann', 'a')}x`]) {
      expect(source?.load(() => bad)).toEqual([expect.any(String)])
    }
    const failed = source?.load(() => {
      throw Object.assign(new Error('secret'), { code: 'EACCES' })
    })
    expect(failed).toEqual(['cannot be read (permission denied); write the path of a file'])
    expect(set).toHaveBeenCalledOnce()
  })

  describe('is TLS', () => {
    const pair = createPair()
    const other = createPair()
    const files = { certFile: '/cert', keyFile: '/key', clientCaFile: '/ca' }
    const texts = (cert: string, key: string, ca: string) => (file: string) =>
      ({ '/cert': cert, '/key': key, '/ca': ca })[file] ?? expect.fail(file)

    function tlsOf(clientCaFile: string | undefined): Tls {
      const read = readTls({ ...files, clientCaFile }, texts(pair.cert, pair.key, other.cert))
      if ('problems' in read) throw new Error('not sound')
      return read.value
    }

    it('with its two files, and that of the client CA where there is one', () => {
      const filesOf = (clientCaFile: string | undefined) =>
        reloadable({ access: access('/tokens'), tls: tlsOf(clientCaFile) }, never, never).map((one) => [
          one.name,
          one.files,
        ])
      expect(filesOf(undefined)).toEqual([
        ['tokens', ['/tokens']],
        ['tls', ['/cert', '/key']],
      ])
      expect(filesOf('/ca')[1]).toEqual(['tls', ['/cert', '/key', '/ca']])
    })

    it.each([
      ['a byte order mark', (cert: string) => `\ufeff${cert}`],
      ['half a certificate', (cert: string) => `-----BEGIN CERTIFICATE-----\n${cert}`],
      ['another kind of text', (cert: string) => `-----BEGIN X509 CRL-----\nMAo=\n-----END X509 CRL-----\n${cert}`],
    ])('and never an exception: %s before the certificate', (_, write) => {
      const set = vi.fn()
      const [source] = reloadable({ access: access(undefined), tls: tlsOf('/ca') }, never, set)
      const problems = source?.load(texts(write(other.cert), other.key, write(pair.cert)))
      expect(set).toHaveBeenCalledTimes(problems?.length === 0 ? 1 : 0) // it is one or the other
    })

    it('taken whole or not at all', () => {
      const set = vi.fn()
      const [source] = reloadable({ access: access(undefined), tls: tlsOf('/ca') }, never, set)
      expect(source?.load(texts(pair.cert, other.key, other.cert))).toEqual([
        expect.stringMatching(/^keyFile: not the /),
      ])
      expect(source?.load(texts('', pair.key, ''))).toEqual([
        expect.stringMatching(/^certFile: /),
        expect.stringMatching(/^clientCaFile: /),
      ])
      expect(set).not.toHaveBeenCalled()
      expect(source?.load(texts(other.cert, other.key, pair.cert))).toEqual([])
      expect(set.mock.calls).toEqual([[{ ...files, cert: other.cert, key: other.key, clientCa: pair.cert }]])
    })
  })
})
