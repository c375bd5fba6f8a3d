import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { answersEarly, loadRecordings, parseRecording, requestBytes } from '../../../src/demo/recordings.ts'

const file = {
  name: 'some',
  note: 'a note',
  ollama: '0.0.0',
  request: {
    method: 'POST',
    path: '/api/chat',
    headers: { Host: '127.0.0.1:11434', 'Content-Length': '4' },
    body: 'täb',
  },
  response: {
    end: 'fin',
    duration_ms: 3.5,
    chunks: [
      [1.5, 'ä'],
      [2, { base64: '/w==' }],
    ],
  },
}

describe('parseRecording', () => {
  it('keeps text as UTF-8 and base64 as bytes', () => {
    const { response, request, version } = parseRecording(file, 'ollama')
    expect(response.chunks).toEqual([
      { atMs: 1.5, bytes: Buffer.from([0xc3, 0xa4]) },
      { atMs: 2, bytes: Buffer.from([0xff]) },
    ])
    expect(response).toMatchObject({ end: 'fin', durationMs: 3.5 })
    expect(request).toEqual({ ...file.request, body: 'täb' })
    expect(version).toBe('ollama')
  })

  it('has no body where the bytes of an upload were not kept, and knows how many they were', () => {
    const headers = { 'Content-Length': '3145728' }
    const upload = { ...file, request: { ...file.request, headers, body: '<3 MiB of random bytes>' } }
    const recording = parseRecording(upload, 'ollama')
    expect(recording.request.body).toBeUndefined()
    expect(requestBytes(recording)).toBe(3_145_728)
  })

  it.each([
    ['an array', [], 'a recording is not an object'],
    ['no name', { ...file, name: 1 }, 'name is not a string'],
    ['no request', { ...file, request: null }, 'request is not an object'],
    ['a number as header', { ...file, request: { ...file.request, headers: { Host: 1 } } }, 'Host is not a string'],
    ['no chunks', { ...file, response: { ...file.response, chunks: {} } }, 'chunks is not an array'],
    ['a chunk without a time', { ...file, response: { ...file.response, chunks: [['x', 'y']] } }, 'time of a chunk'],
    ['a chunk of null', { ...file, response: { ...file.response, chunks: [[1, null]] } }, 'neither text nor base64'],
    ['no duration', { ...file, response: { ...file.response, duration_ms: '1' } }, 'duration_ms is not a number'],
  ])('refuses %s', (_what, json, message) => {
    expect(() => parseRecording(json, 'ollama')).toThrow(message)
  })
})

describe('loadRecordings', () => {
  const recordings = loadRecordings()

  it('reads both folders that ship with the package, newest first', () => {
    expect(recordings).toHaveLength(249)
    expect(Map.groupBy(recordings, ({ version }) => version).get('ollama-0.33')).toHaveLength(125)
    expect(recordings[0]?.version).toBe('ollama-0.33')
  })

  it('knows the answers that did not wait for the body', () => {
    const early = recordings.filter(answersEarly).map(({ name, version }) => `${version}/${name}`)
    expect(early).toEqual(['ollama-0.33/blob-upload-there', 'ollama/blob-upload-there'])
  })

  it('names the file that is no recording', () => {
    const folder = mkdtempSync(join(tmpdir(), 'recordings-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    mkdirSync(join(folder, 'ollama-0.33'))
    mkdirSync(join(folder, 'ollama'))
    writeFileSync(join(folder, 'ollama', 'broken.json'), '{"name":')
    writeFileSync(join(folder, 'ollama', 'left-alone.txt'), 'text')
    expect(() => loadRecordings(folder)).toThrow(/ollama\/broken\.json is no recording/)
  })
})
