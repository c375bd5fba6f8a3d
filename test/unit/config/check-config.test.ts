import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { run } from '../../../src/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'ollascope-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function checkConfig(path: string) {
  const said = { stdout: '', stderr: '' }
  const code = await run(['check-config'], {
    env: { OLLASCOPE_CONFIG: path },
    stop: new AbortController().signal,
    stdout: (text) => void (said.stdout += text),
    stderr: (text) => void (said.stderr += text),
    isTerminal: false,
    machineName: 'test-machine',
    maxOpenFiles: undefined,
    onUncaught: () => undefined,
    nodeVersion: '0.0.0',
  })
  return { code, ...said }
}

describe('check-config with OLLASCOPE_CONFIG', () => {
  it('prints the path and what the file means', async () => {
    const path = join(folder, 'good.yaml')
    writeFileSync(path, 'models: {llama3: {targets: {ttft: {p95: 4s}}}}\n')
    const { code, stdout, stderr } = await checkConfig(path)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(new RegExp(`^OLLASCOPE_CONFIG +${path} +environment$`, 'm'))
    expect(stdout).toMatch(
      /\nOLLASCOPE_CONFIG has 1 model, 0 tiers, 1 target\n {2}llama3:latest {2}no tier {2}ttft p95 {2}at most 4s\n$/,
    )
  })

  it('prints whose tokens are known, and no hash', async () => {
    const path = join(folder, 'tokens.yaml')
    const hash = 'ab'.repeat(32)
    writeFileSync(path, `tokens: {ci: ${hash}}\n`)
    const { code, stdout } = await checkConfig(path)
    expect(code).toBe(0)
    expect(stdout).toMatch(/\n1 token of 1 client: ci\n$/)
    expect(stdout).not.toContain(hash)
  })

  it('tells every mistake in a line that names the file, and exits 2', async () => {
    const path = join(folder, 'bad.yaml')
    writeFileSync(path, 'models:\n  a: {tier: b}\n  c: {targets: {ttft: {p95: 4}}}\n')
    expect(await checkConfig(path)).toEqual({
      code: 2,
      stdout: '',
      stderr: `ollascope: 2 mistakes in the configuration:
  OLLASCOPE_CONFIG=${path}: line 2: models.a.tier=b: no such tier; define it under tiers
  OLLASCOPE_CONFIG=${path}: line 3: models.c.targets.ttft.p95=4: not a duration; write 500ms, 30s, 5m or 1h
`,
    })
  })

  it.each([
    ['missing.yaml', 'no such file'],
    ['', 'it is a directory; Docker makes one in the place of a mounted file that is missing'],
  ])('says why it cannot read "%s"', async (name, why) => {
    const path = join(folder, name)
    const { code, stderr } = await checkConfig(path)
    expect(code).toBe(2)
    expect(stderr).toBe(
      `ollascope: 1 mistake in the configuration:\n  OLLASCOPE_CONFIG=${path}: cannot be read (${why}); write the path of a file\n`,
    )
  })
})
