import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { isObject, numberField, objectField, stringField, type JsonObject } from './json.ts'

/** The folders of recordings, newest Ollama first. */
export const recordingVersions = ['ollama-0.33', 'ollama'] as const

export type RecordingVersion = (typeof recordingVersions)[number]

/** Bytes that one read of the recorder's socket gave, headers and chunked framing included. */
export interface RecordedChunk {
  /** Milliseconds since the recorder connected. */
  readonly atMs: number
  readonly bytes: Buffer
}

/** One exchange with a real Ollama. */
export interface Recording {
  readonly name: string
  readonly note: string
  /** What Ollama called its version. */
  readonly ollama: string
  /** The folder that it came from. */
  readonly version: RecordingVersion
  readonly request: {
    readonly method: string
    /** The request target as it was sent: path and query, or the absolute form. */
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    /** Undefined where there was none, and where it was random bytes that were not kept (Content-Length says how many). */
    readonly body: string | undefined
  }
  readonly response: {
    /** `fin`, the code of a socket error, or `client_destroyed` where the recorder left. */
    readonly end: string
    readonly durationMs: number
    readonly chunks: readonly RecordedChunk[]
  }
}

// src/demo and dist/demo both lie two levels below the package root.
const packagedFolder = new URL('../../test/captures/', import.meta.url)

// Uploads were too large to keep: "<3 MiB of random bytes>" stands for them.
const placeholder = /^<.* random bytes>$/

function parseChunk(value: unknown): RecordedChunk {
  if (!Array.isArray(value)) throw new TypeError('a chunk is not an array')
  const [atMs, content] = value as unknown[]
  if (typeof atMs !== 'number') throw new TypeError('the time of a chunk is not a number')
  if (typeof content === 'string') return { atMs, bytes: Buffer.from(content, 'utf8') }
  if (!isObject(content)) throw new TypeError('a chunk holds neither text nor base64')
  return { atMs, bytes: Buffer.from(stringField(content, 'base64'), 'base64') }
}

function parseHeaders(headers: JsonObject): Record<string, string> {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, stringField(headers, name)]))
}

/**
 * One recording from the parsed JSON of its file.
 *
 * Throws a TypeError that names the field where the shape is not that of a recording.
 */
export function parseRecording(json: unknown, version: RecordingVersion): Recording {
  if (!isObject(json)) throw new TypeError('a recording is not an object')
  const request = objectField(json, 'request')
  const response = objectField(json, 'response')
  const body = request.body === undefined || request.body === null ? undefined : stringField(request, 'body')
  if (!Array.isArray(response.chunks)) throw new TypeError('chunks is not an array')
  return {
    name: stringField(json, 'name'),
    note: stringField(json, 'note'),
    ollama: stringField(json, 'ollama'),
    version,
    request: {
      method: stringField(request, 'method'),
      path: stringField(request, 'path'),
      headers: parseHeaders(objectField(request, 'headers')),
      body: body !== undefined && placeholder.test(body) ? undefined : body,
    },
    response: {
      end: stringField(response, 'end'),
      durationMs: numberField(response, 'duration_ms'),
      chunks: response.chunks.map(parseChunk),
    },
  }
}

/**
 * All recordings of a folder that has one folder for each version, newest version first, by name.
 *
 * Left out, the folder is the one that ships with the package. Throws where a version's folder cannot be read or a
 * file is no recording; the message names the file.
 */
export function loadRecordings(folder: URL | string = packagedFolder): Recording[] {
  const root = typeof folder === 'string' ? folder : fileURLToPath(folder)
  return recordingVersions.flatMap((version) =>
    readdirSync(join(root, version))
      .filter((file) => file.endsWith('.json'))
      .sort()
      .map((file) => {
        const path = join(root, version, file)
        try {
          return parseRecording(JSON.parse(readFileSync(path, 'utf8')), version)
        } catch (cause) {
          throw new Error(`${path} is no recording: ${String(cause)}`, { cause })
        }
      }),
  )
}

/** How many body bytes the recorded request carried. */
export function requestBytes(recording: Recording): number {
  const { body, headers } = recording.request
  return body === undefined ? Number(headers['Content-Length'] ?? 0) : Buffer.byteLength(body)
}

/** Whether Ollama answered before it had read the body: a blob that was there already. */
export function answersEarly(recording: Recording): boolean {
  return recording.note.startsWith('answered before the body')
}
