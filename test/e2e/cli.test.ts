import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isFields } from '../helpers/json.ts'
import { occupyPort } from '../helpers/ports.ts'
import { builtProgram, ended, ROOT, runBuilt, serveEnv, startProgram } from '../helpers/process.ts'

const SECRET = 'x-correct-horse-battery-staple'
const OLD_NODE = '/usr/bin/node'
const manifest: unknown = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const packageVersion = isFields(manifest) ? String(manifest.version) : ''

describe('ollascope, as a process', () => {
  test.each([['--help'], ['-h'], ['help'], ['serve', '--help']])(
    '%s %s: the commands and settings',
    async (...args) => {
      const { code, stdout, stderr } = await runBuilt(args)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(/^ollascope <command>/)
      for (const text of ['serve', 'check-config', 'demo', 'OLLASCOPE_UPSTREAM', 'http://127.0.0.1:11434']) {
        expect(stdout).toContain(text)
      }
    },
  )

  test.each(['--version', '-v'])('%s: one line', async (option) => {
    const { code, stdout, stderr } = await runBuilt([option])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^ollascope \S+ \(\S+\), Node \d+\.\d+\.\d+\n$/)
    expect(stdout).toContain(` ${packageVersion} `)
  })

  test.each([
    [['sevre'], 'there is no command "sevre"'],
    [['--bogus'], 'there is no command "--bogus"'],
    [['doctor', '--only', 'luck'], 'there is no check "luck"'],
    [['bench', '--requests', 'many'], '--requests must be'],
    [['healthcheck', 'now'], "'now'"],
    [['serve', 'now'], '"serve" takes no arguments'],
    [['serve', '--port', '1'], '"serve" takes no arguments'],
    [['check-config', '--all'], '"check-config" takes no arguments'],
    [['demo', '--bogus'], "'--bogus'"],
    [['demo', '--port', 'many'], '--port must be a port'],
  ])('%j: exit 2 and one line', async (args, says) => {
    const { code, stdout, stderr } = await runBuilt(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
    expect(linesOf(stderr)).toHaveLength(1)
    expect(stderr).toMatch(/^ollascope: .*; see ollascope --help\n$/)
  })

  test.each(['serve', 'check-config'])(
    '%s with bad settings: exit 2, every mistake at once, no secret',
    async (name) => {
      const { code, stdout, stderr } = await runBuilt([name], {
        OLLASCOPE_UPSTREAM: 'ftp://somewhere',
        OLLASCOPE_LISTEN: 'nowhere',
        OLLASCOPE_ADMIN_TOKEN: SECRET,
        OLLASCOPE_ADMIN_TOKEN_FILE: '/nowhere/at/all',
        OLLASCOPE_ADMIN_TOKN: SECRET,
        OLLASCOPE_LOG_LEVEL: 'loud',
        OLLASCOPE_COLLECT_INTERVAL: '10',
        OLLASCOPE_MAX_IN_FLIGHT: 'three',
      })
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      const [title, ...problems] = linesOf(stderr)
      expect(title).toBe('ollascope: 7 mistakes in the configuration:')
      expect(problems.map((line) => /^ {2}(\w+)=/.exec(line)?.[1]).sort()).toEqual([
        'OLLASCOPE_ADMIN_TOKEN_FILE',
        'OLLASCOPE_ADMIN_TOKN',
        'OLLASCOPE_COLLECT_INTERVAL',
        'OLLASCOPE_LISTEN',
        'OLLASCOPE_LOG_LEVEL',
        'OLLASCOPE_MAX_IN_FLIGHT',
        'OLLASCOPE_UPSTREAM',
      ])
      expect(stderr).not.toContain(SECRET)
    },
  )

  test('check-config prints what it would run with, secrets masked', async () => {
    const { code, stdout, stderr } = await runBuilt(
      ['check-config'],
      serveEnv(11434, { OLLASCOPE_ADMIN_TOKEN: SECRET, OLLASCOPE_LOG_LEVEL: 'warn' }),
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const rows = new Map(linesOf(stdout).map((line) => [line.split(/ +/)[0], line.split(/ {2,}/).slice(1)]))
    expect(rows.get('OLLASCOPE_UPSTREAM')).toEqual(['http://127.0.0.1:11434', 'environment'])
    expect(rows.get('OLLASCOPE_LOG_LEVEL')).toEqual(['warn', 'environment'])
    expect(rows.get('OLLASCOPE_DRAIN_TIMEOUT')).toEqual(['30s', 'default'])
    expect(rows.get('OLLASCOPE_ADMIN_TOKEN')).toEqual(['********', 'environment'])
    expect(rows.get('OLLAMA_MODEL')).toEqual(['none', 'default'])
    expect(stdout).not.toContain(SECRET)
  })

  test.each(['OLLASCOPE_LISTEN', 'OLLASCOPE_ADMIN_LISTEN'])(
    'serve where %s is in use: exit 1, one line',
    async (name) => {
      const port = await occupyPort()
      const { code, stdout, stderr } = await runBuilt(['serve'], serveEnv(1, { [name]: `127.0.0.1:${port}` }))
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toBe(
        `ollascope: cannot listen on 127.0.0.1:${port}: ` +
          `the port is in use; stop what listens there, or set ${name} to another\n`,
      )
    },
  )

  test('demo on a port in use: exit 1, one line', async () => {
    const port = await occupyPort()
    const { code, stdout, stderr } = await runBuilt(['demo', '--port', String(port)])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^ollascope: cannot listen on 127\.0\.0\.1:\d+: the port is in use.*\n$/)
  })

  test('scripts/ollascope starts what was built, from any folder', async () => {
    builtProgram()
    const program = join(ROOT, 'scripts/ollascope')
    expect(statSync(program).mode & 0o111).not.toBe(0)
    const { code, stdout, stderr } = await ended(startProgram(program, ['--version'], { cwd: '/' }))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^ollascope /)
  })
})

const older = majorOf(OLD_NODE)
const tooOld = older !== undefined && older < 22
describe.skipIf(!tooOld)(`on an older Node${tooOld ? '' : ` [needs ${OLD_NODE} older than 22]`}`, () => {
  test.each([['--version'], ['serve']])('%s: one clear line, exit 1, and nothing else', async (command) => {
    const { code, stdout, stderr } = await ended(startProgram(OLD_NODE, [builtProgram(), command]))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(linesOf(stderr)).toHaveLength(1)
    expect(stderr).toMatch(/^ollascope: needs Node 22\.\S+ .*, and this is v\d+\.\d+\.\d+;.*\n$/)
  })
})

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

/** The major version of a Node, `undefined` where there is none. */
function majorOf(node: string): number | undefined {
  try {
    return Number(/^v(\d+)/.exec(execFileSync(node, ['--version'], { encoding: 'utf8' }))?.[1])
  } catch {
    return undefined
  }
}
