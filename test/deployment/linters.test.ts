import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { validate } from 'dockerfile-utils'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ROOT } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'

const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
const composeFiles = readdirSync(ROOT).filter((name) => /^docker-compose.*\.yml$/.test(name))

/** What the linter of Dockerfiles says of a text. */
const complaints = (text: string) => validate(text).map(({ message }) => message)

/** What the linter of compose files says of a file. */
async function findings(path: string): Promise<string[]> {
  const options = ['--config', join(ROOT, '.dclintrc.yml'), '--formatter', 'json']
  const { stdout, stderr } = await runProgram(join(ROOT, 'node_modules/.bin/dclint'), [...options, path], '')
  if (stdout === '') throw new Error(stderr)
  const [file] = JSON.parse(stdout) as { messages: { rule: string; message: string }[] }[]
  return file?.messages.map(({ rule, message }) => `${rule}: ${message}`) ?? []
}

/** A copy of a compose file with this in the place of that. */
function broken(name: string, from: string, to: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-lint-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, name)
  cpSync(join(ROOT, name), path)
  const text = readFileSync(path, 'utf8')
  expect(text).toContain(from)
  writeFileSync(path, text.replace(from, to))
  return path
}

describe('the linter of Dockerfiles', () => {
  test('finds nothing in ours', () => {
    expect(complaints(dockerfile)).toEqual([])
  })

  test('would', () => {
    expect(complaints(dockerfile.replace('EXPOSE 11435 9435', 'EXPOSE proxy'))).not.toEqual([])
    expect(complaints(dockerfile.replace('--from=build', '--form=build'))).not.toEqual([])
  })
})

describe('the linter of compose files', () => {
  test.each(composeFiles)('finds nothing in %s', async (name) => {
    expect(await findings(join(ROOT, name))).toEqual([])
  })

  test.each([
    ["'127.0.0.1:9090:9090'", "'9090:9090'", /^no-unbound-port-interfaces/],
    ["'127.0.0.1:9090:9090'", "'127.0.0.1:3000:9090'", /^no-duplicate-exported-ports/],
    ['grafana/grafana:${GRAFANA_VERSION:-12.1.1}', 'grafana/grafana:latest', /^service-image-require-explicit-tag/],
    ['    mem_limit: 64m', '    mem_limits: 64m', /^invalid-schema/],
  ])('would: %s as %s', async (from, to, rule) => {
    const found = await findings(broken('docker-compose.yml', from, to))
    expect(found.filter((one) => rule.test(one))).not.toEqual([])
  })
})
