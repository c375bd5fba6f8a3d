import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStateFile, NO_STATE, type State } from '../../src/state-file.ts'

const STATE: State = {
  gpuSeen: true,
  oom: {
    totals: [{ name: 'ollama', image: 'ollama/ollama', kills: 3, seenMs: 1_800_000_000_000 }],
    lives: [{ id: 'c1', startedAt: 1_799_999_999_000, counted: 2 }],
  },
  lastEvent: '1800000000000000000',
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-state-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

describe('the state file', () => {
  it('gives what was written, in a folder that it makes', () => {
    const folder = join(makeFolder(), 'deep', 'er')
    createStateFile(folder).write(STATE)
    expect(createStateFile(folder).read()).toEqual(STATE)
    expect(existsSync(join(folder, 'ollascope-state.json.new'))).toBe(false)
  })

  it('knows nothing where there is none', () => {
    expect(createStateFile(join(makeFolder(), 'none')).read()).toEqual(NO_STATE)
  })

  it('is written only where something changed', () => {
    const folder = makeFolder()
    const file = createStateFile(folder)
    file.write(STATE)
    rmSync(join(folder, 'ollascope-state.json'))
    file.write({ ...STATE })
    expect(existsSync(join(folder, 'ollascope-state.json'))).toBe(false)
    file.write({ ...STATE, gpuSeen: false })
    expect(JSON.parse(readFileSync(join(folder, 'ollascope-state.json'), 'utf8'))).toMatchObject({ gpuSeen: false })
  })

  it('throws what the file system says where it cannot be written', () => {
    const folder = makeFolder()
    writeFileSync(join(folder, 'file'), '')
    expect(() => createStateFile(join(folder, 'file')).write(STATE)).toThrow(/EEXIST|ENOTDIR/)
  })

  it.each([
    ['nothing', ''],
    ['half a document', '{"gpuSeen":tr'],
    ['another document', '[1,2,3]'],
    ['null', 'null'],
    ['too much', JSON.stringify({ ...STATE, more: 'x'.repeat(2 ** 20) })],
    ['other types', '{"gpuSeen":"yes","oom":{"totals":7,"lives":[null,{"id":1}]},"lastEvent":12}'],
    ['wrong numbers', '{"oom":{"totals":[{"name":"a","image":"","kills":-1,"seenMs":1}]},"lastEvent":"1e9"}'],
  ])('of %s is as none', (_what, text) => {
    const folder = makeFolder()
    writeFileSync(join(folder, 'ollascope-state.json'), text)
    expect(createStateFile(folder).read()).toEqual(NO_STATE)
  })

  it('keeps what is sound beside what is not', () => {
    const folder = makeFolder()
    const broken = { ...STATE, oom: { totals: [...STATE.oom.totals, { name: 'x' }], lives: 'no' }, more: 1 }
    writeFileSync(join(folder, 'ollascope-state.json'), JSON.stringify(broken))
    expect(createStateFile(folder).read()).toEqual({ ...STATE, oom: { totals: STATE.oom.totals, lives: [] } })
  })
})
