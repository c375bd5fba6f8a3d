import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseTokens, readTokensFile } from '../../../src/config/tokens.ts'

const hash = (token: string) => createHash('sha256').update(token).digest('hex')
const [a, b, c] = [hash('a'), hash('b'), hash('c')]

const toHash = 'write the 64 hex digits that printf %s "$TOKEN" | sha256sum prints, after the name and a colon'
const noToken = `not name:sha256hex; ${toHash}`
const noName = 'the name is not usable; write 1 to 64 letters, digits, dots, underscores and hyphens'

describe('a file of tokens', () => {
  it.each([
    ['one line', `ci:${a}`],
    ['a line with its end', `ci:${a}\n`],
    ['comments and blank lines', `# team\n\n  \n  # more\nci:${a}\n\n#${b}\n`],
    ["Windows' lines", `# team\r\n\r\nci:${a}\r\n`],
    ['capital digits', `ci:${a.toUpperCase()}`],
    ['blanks around', ` ci:${a}\t`],
    ['a byte order mark', `\uFEFFci:${a}`],
  ])('has %s', (_what, text) => expect(parseTokens(text)).toEqual({ value: [{ name: 'ci', sha256: a }] }))

  it('keeps the order, and lets a name have several', () => {
    expect(parseTokens(`x:${b}\nci:${a}\nx:${c}`)).toEqual({
      value: [
        { name: 'x', sha256: b },
        { name: 'ci', sha256: a },
        { name: 'x', sha256: c },
      ],
    })
  })

  it('takes a name of up to 64 letters, digits, dots, underscores and hyphens', () => {
    for (const name of ['a', 'Team-A_1.x', '-', 'x'.repeat(64)]) {
      expect(parseTokens(`${name}:${a}`), name).toEqual({ value: [{ name, sha256: a }] })
    }
    for (const name of ['', 'x'.repeat(65), 'a b', 'é', 'a/b', 'ci ', '"ci"']) {
      expect(parseTokens(`${name}:${a}`), name).toEqual({ problems: [`line 1: ${noName}`] })
    }
  })

  it.each([
    'hush',
    'ci:hush',
    'ci',
    ':',
    'ci:',
    a,
    `ci=${a}`,
    `ci:${a.slice(1)}`,
    `ci:${a}0`,
    `ci:sha256:${a}`,
    `ci:g${a.slice(1)}`,
    `ci: ${a}`,
    `ci:${a}  -`,
    `ci:${a} # mine`,
    `ci:${a}:${b}`,
    `${a}:hush`,
  ])('says how to hash where %j stands, and not what', (line) => {
    expect(parseTokens(`x:${c}\n${line}`)).toEqual({ problems: [`line 2: ${noToken}`] })
  })

  it('tells every broken line', () => {
    const text = `\n#\nhush\r\nci:${a}\n!:${b}\nx:${a.toUpperCase()}\nci:${a}\ny:${hash('')}\nci:${c}`
    expect(parseTokens(text)).toEqual({
      problems: [
        `line 3: ${noToken}`,
        `line 5: ${noName}`,
        'line 6: a hash that stands above already; write it once',
        'line 7: a hash that stands above already; write it once',
        'line 8: the hash of an empty token; set TOKEN before you hash it',
      ],
    })
  })

  it.each(['', '\n', '# nothing\n', '\uFEFF'])('is a mistake without a token: %j', (text) =>
    expect(parseTokens(text)).toEqual({ problems: ['no token in it; write name:sha256hex lines'] }),
  )

  it('is read from its path, or it is said why not', () => {
    expect(readTokensFile('/t', (path) => `${path.slice(1)}:${a}`)).toEqual({ value: [{ name: 't', sha256: a }] })
    const failing = (path: string) => {
      throw Object.assign(new Error(`cannot open '${path}'`), { code: 'EACCES' })
    }
    const why = 'cannot be read (permission denied); write the path of a file'
    expect(readTokensFile('/t', failing)).toEqual({ problems: [why] })
  })
})
