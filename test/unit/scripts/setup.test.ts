import { describe, expect, test } from 'vitest'
import { numberOf, namesOf, targetOf, timeOf } from '../../../scripts/ollama/call.ts'
import { bar, createProgress } from '../../../scripts/setup/progress.ts'
import { judge, roomHere } from '../../../scripts/setup/room.ts'
import { formatBytes, loadedSize, sizeByName } from '../../../scripts/setup/size.ts'

describe('the size of a model', () => {
  // Within a tenth of what the models of these names have on disk.
  test.each([
    ['mistral:7b-instruct-q4_0', 4.1e9, 4.6e9],
    ['llama3.1:8b', 4.7e9, 5.2e9],
    ['llama3.1:8b-instruct-q5_K_M', 5.4e9, 6e9],
    ['llama2:7b-chat-q8_0', 7.1e9, 7.9e9],
    ['llama3.2:1b', 0.5e9, 1.4e9],
    ['gemma3:270m', 0.15e9, 0.3e9],
    ['llama3:70b', 40e9, 46e9],
    ['mixtral:8x7b', 26e9, 36e9],
    ['qwen3:0.6b-fp16', 1.1e9, 1.3e9],
    ['library/llama3.1:8B', 4.7e9, 5.2e9],
  ])('%s', (name, least, most) => {
    expect(sizeByName(name)).toBeGreaterThanOrEqual(least)
    expect(sizeByName(name)).toBeLessThanOrEqual(most)
  })

  test.each(['llama3', 'all-minilm:l6', 'phi4-mini', '', 'mistral:Q5_K_S'])('%j does not say', (name) => {
    expect(sizeByName(name)).toBeUndefined()
  })

  test('a 7B of 8 bits takes about 9 GB when it is loaded', () => {
    expect(loadedSize(7.5e9) / 1e9).toBeCloseTo(8.9, 0)
  })

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1500, '1.5 kB'],
    [45_949_216, '45.9 MB'],
    [4.7e9, '4.7 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})

describe('the progress of a pull', () => {
  test('is that of all layers, whatever order they come in', () => {
    const { add } = createProgress()
    expect(add({ status: 'pulling manifest' })).toEqual({ status: 'pulling manifest', completed: 0, total: 0 })
    add({ status: 'pulling a', digest: 'a', total: 100 })
    add({ status: 'pulling a', digest: 'a', total: 100, completed: 50 })
    expect(add({ status: 'pulling b', digest: 'b', total: 300, completed: 30 })).toMatchObject({
      completed: 80,
      total: 400,
    })
    expect(add({ status: 'pulling a', digest: 'a', total: 100, completed: 100 })).toMatchObject({ completed: 130 })
    // What else comes is a status alone.
    expect(add({ status: 'success', total: 'x', digest: 7 })).toEqual({ status: 'success', completed: 130, total: 400 })
  })

  test('is a bar', () => {
    expect(bar({ status: 'pulling manifest', completed: 0, total: 0 })).toBe('pulling manifest')
    expect(bar({ status: 'x', completed: 999, total: 1000 }, 10)).toBe('[#########-]  99 %  999 B of 1.0 kB')
    expect(bar({ status: 'x', completed: 1000, total: 1000 }, 10)).toBe('[##########] 100 %  1.0 kB of 1.0 kB')
    // A layer that grew beyond what it said breaks nothing.
    expect(bar({ status: 'x', completed: 2000, total: 1000 }, 4)).toContain('[####] 100 %')
  })
})

describe('room for a model', () => {
  test('on the disk is a must, in memory a warning', () => {
    expect(judge(5e9, { disk: 7e9, memory: 9e9 })).toEqual({})
    expect(judge(5e9, { disk: 6.9e9, memory: 9e9 }).lacking).toBe('needs 7.0 GB of disk, and 6.9 GB are free')
    expect(judge(6e9, { disk: 9e9, memory: 4e9 }).warning).toContain('takes about 7.2 GB loaded')
    expect(judge(5e9, { disk: undefined, memory: undefined })).toEqual({})
  })

  test('is measured here', () => {
    expect(roomHere('/', {}).disk).toBeGreaterThan(0)
    expect(roomHere(undefined, {}).memory).toBeGreaterThan(0)
    expect(roomHere('/nowhere/at/all', {}).disk).toBeUndefined()
  })
})

describe('a call', () => {
  test('asks the proxy, whom the environment names, or whom it names itself', () => {
    expect(targetOf({}, {}).url.href).toBe('http://127.0.0.1:11435/')
    expect(targetOf({}, { OLLAMA_BASE_URL: 'https://a' }).url.href).toBe('https://a/')
    expect(targetOf({ url: 'http://b' }, { OLLAMA_BASE_URL: 'https://a' }).url.href).toBe('http://b/')
    for (const url of ['b:1', 'ftp://b', 'no']) expect(() => targetOf({ url }, {})).toThrow('is not an http://')
    expect(() => targetOf({ 'token-file': '/nowhere' }, {})).toThrow('--token-file')
  })

  test.each([
    ['90', 90_000],
    ['500ms', 500],
    ['5m', 300_000],
    ['1h', 3_600_000],
  ])('takes %s as a time', (text, ms) => {
    expect(timeOf('timeout', text)).toBe(ms)
  })

  test('refuses what is no time, no number and no name', () => {
    for (const text of ['', '0', '-1', '1.5', '5d', '600000h']) expect(() => timeOf('wait', text)).toThrow('--wait')
    for (const text of ['', '0', '-1', '1.5', 'x', '1000001']) expect(() => numberOf('n', text)).toThrow('--n')
    expect(numberOf('n', '50')).toBe(50)
    expect(namesOf(' a, b', 'a', undefined, ',')).toEqual(['a', 'b'])
  })
})
