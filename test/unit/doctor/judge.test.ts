import { describe, expect, test } from 'vitest'
import { judgeClock } from '../../../src/doctor/checks/clock.ts'
import { judgeDisk, judgeRoom } from '../../../src/doctor/checks/memory.ts'
import { judgeFirstAnswer } from '../../../src/doctor/checks/models.ts'
import { logText, splitStreams } from '../../../src/doctor/streams.ts'
import { listeningInodes } from '../../../src/doctor/listeners.ts'
import { gigabytes, memoryWanted, parseModels } from '../../../src/doctor/models.ts'
import { readOllamaLog } from '../../../src/doctor/ollama-log.ts'
import { formatFinding } from '../../../src/doctor/report.ts'
import { fail, ok } from '../../../src/doctor/check.ts'
import { parseStatus } from '../../../src/doctor/status.ts'
import { holding } from '../../integration/doctor-matchers.ts'

describe('judgeFirstAnswer', () => {
  test.each([
    [0.3, 0, 'ok', undefined],
    [20, 19, 'ok', undefined],
    [20.1, 15, 'fail', /OLLAMA_KEEP_ALIVE/],
    [25, 0.1, 'fail', /ollama ps/],
    [undefined, 0, 'fail', /ollama run/],
  ])('first token after %s s, %d s of it loading: %s', (ttft, load, status, fix) => {
    const result = judgeFirstAnswer('m', ttft, load)
    expect(result.status).toBe(status)
    if (fix === undefined) expect(result.fix).toBeUndefined()
    else expect(result.fix).toMatch(fix)
  })
})

describe('judgeRoom and judgeDisk', () => {
  test('a 7B model in q8_0 wants 10 GB', () => {
    expect(gigabytes(memoryWanted(7.7e9))).toBe('10 GB')
    expect(judgeRoom('m', 7.7e9, 10.1e9, 'VRAM').status).toBe('ok')
    expect(judgeRoom('m', 7.7e9, 9.9e9, 'VRAM').status).toBe('fail')
  })
  test.each([
    [100e9, 'ok'],
    [10e9, 'ok'],
    [9.9e9, 'warn'],
    [1e9, 'warn'],
    [0.9e9, 'fail'],
  ])('%d bytes free: %s', (bytes, status) => {
    expect(judgeDisk(bytes, '/data')).toMatchObject({ status, detail: holding('on /data') })
  })
})

describe('judgeClock', () => {
  const now = Date.UTC(2026, 10, 21)
  test.each([
    [now, [], 'skip'],
    [now, [{ name: 'a', ms: now + 30_000 }], 'ok'],
    [now, [{ name: 'a', ms: now + 31_000 }], 'fail'],
    [
      now,
      [
        { name: 'a', ms: now },
        { name: 'b', ms: now - 31_000 },
      ],
      'fail',
    ],
    [0, [], 'fail'],
  ])('%d against %j: %s', (ms, others, status) => {
    expect(judgeClock(ms, others).status).toBe(status)
  })
})

describe('listeningInodes', () => {
  const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2CAB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0
   1: 00000000:2CAB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 112 1 0
   2: 0100007F:2CAB 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 113 1 0
   3: 0100007F:0050 0100007F:2CAB 0A 00000000:00000000 00:00000000 00000000     0        0 114 1 0
`
  test('finds who listens, not who is connected', () => {
    expect(listeningInodes(TABLE, 11_435)).toEqual(['111', '112'])
    expect(listeningInodes(TABLE, 80)).toEqual(['114'])
    expect(listeningInodes(TABLE, 81)).toEqual([])
    expect(listeningInodes('', 80)).toEqual([])
  })
})

describe('readOllamaLog', () => {
  test('of an old one', () => {
    const log = `time=2025-01-01T00:00:00Z level=INFO source=types.go:131 msg="inference compute" id=GPU-1 library=cuda variant=v12 compute=8.9 driver=12.4 name="NVIDIA GeForce RTX 4090" total="23.6 GiB"
llm_load_tensors: offloaded 33/33 layers to GPU`
    expect(readOllamaLog(log)).toEqual({ libraries: ['cuda'], offloaded: { layers: 33, of: 33 } })
  })
  test('of a new one, with two kinds, and the last load', () => {
    const log = `time=x level=INFO source=types.go:42 msg="inference compute" id=GPU-1 filter_id="" library=CUDA compute=8.9 name=CUDA0
time=x level=INFO source=types.go:42 msg="inference compute" id=1 library=Vulkan
time=x level=INFO source=ggml.go:482 msg="offloaded 5/17 layers to GPU"
time=x level=INFO source=ggml.go:494 msg="offloaded 17/17 layers to GPU"`
    expect(readOllamaLog(log)).toEqual({ libraries: ['cuda', 'vulkan'], offloaded: { layers: 17, of: 17 } })
  })
  test('of another', () => {
    expect(readOllamaLog('library=cuda\nall layers to GPU')).toEqual({ libraries: [], offloaded: undefined })
  })
})

describe('logText', () => {
  test('of frames, of a terminal, and cut in a frame', () => {
    expect(logText(Buffer.from('\x01\0\0\0\0\0\0\x02ab\x02\0\0\0\0\0\0\x01c'))).toBe('abc')
    expect(logText(Buffer.from('plain\n'))).toBe('plain\n')
    expect(logText(Buffer.from('\x01\0\0\0\0\0\0\x09ab'))).toBe('ab')
    expect(logText(Buffer.alloc(0))).toBe('')
  })
})

describe('splitStreams', () => {
  test('each for itself, in the order of its pieces', () => {
    const bytes = Buffer.from('\x01\0\0\0\0\0\0\x01a\x02\0\0\0\0\0\0\x02no\x01\0\0\0\0\0\0\x01b')
    expect(splitStreams(bytes)).toEqual({ stdout: 'ab', stderr: 'no' })
    expect(splitStreams(Buffer.alloc(0))).toEqual({ stdout: '', stderr: '' })
  })
})

describe('what others answer', () => {
  test.each([[null], [[]], ['x'], [{}], [{ role: 1, status: 'ready' }]])('%j is no status', (json) => {
    expect(() => parseStatus(json)).toThrow("is not Ollascope's")
  })
  test('a status without its parts is read', () => {
    expect(parseStatus({ role: 'proxy', status: 'ready' })).toMatchObject({
      gpuExpected: false,
      gpus: [],
      collectors: [],
    })
  })
  test.each([[null], ['x'], [{}], [{ models: 1 }]])('%j is no list of models', (json) => {
    expect(() => parseModels(json)).toThrow("is not Ollama's")
  })
  test('an empty list may be null', () => {
    expect(parseModels({ models: null })).toEqual([])
  })
})

describe('formatFinding', () => {
  const check = { id: 'a', title: 'A', run: () => Promise.reject(new Error('not called')) }
  test('one line, and one for what to type', () => {
    expect(formatFinding({ check, result: ok('well'), seconds: 1 }, 3)).toBe('ok    A    well\n')
    expect(formatFinding({ check, result: fail('bad', 'type this'), seconds: 1 }, 3)).toBe(
      'FAIL  A    bad\n           -> type this\n',
    )
  })
  test('what others said cannot move the cursor, nor begin a line', () => {
    const text = formatFinding({ check, result: ok('a\x1b[2Jb\r\nok    B'), seconds: 1 }, 1)
    expect(text).toBe('ok    A  a?[2Jb ok    B\n')
  })
})
