import { describe, expect, it } from 'vitest'
import { addProcesses } from '../../../src/collectors/nvidia/processes.ts'
import { parseTable } from '../../../src/collectors/nvidia/table.ts'

const COLUMNS = [
  { key: 'index', field: 'index' },
  { key: 'uuid', field: 'uuid' },
] as const
const gpus = parseTable('0, GPU-1\n1, GPU-2\n', COLUMNS)
const memoryOf = (text: string) => addProcesses(gpus, text).map(({ processMemoryBytes }) => processMemoryBytes)
const NONE = { ollama: 0, other: 0 }
const MIB = 1024 * 1024

describe('addProcesses', () => {
  it.each([
    '/usr/local/bin/ollama',
    'ollama',
    '/bin/ollama',
    '/tmp/ollama123/runners/cuda_v12/ollama_llama_server',
    '/usr/lib/ollama/llama-server',
    '/app/llama-server',
    '/usr/lib/ollama/runners/new name, with a comma',
    '/opt/a name, with a comma/ollama',
  ])('counts %j as Ollama', (name) => {
    expect(memoryOf(`GPU-1, 4711, ${name}, 100\n`)).toEqual([{ ollama: 100 * MIB, other: 0 }, NONE])
  })

  it.each(['python3', '/usr/bin/ollama-exporter', '/opt/myollama', '[Not Found]', '', '/ollama.d/train, 7'])(
    'counts %j as another',
    (name) => expect(memoryOf(`GPU-1, 4711, ${name}, 100\n`)).toEqual([{ ollama: 0, other: 100 * MIB }, NONE]),
  )

  it('adds up', () => {
    const text = 'GPU-1, 1, ollama, 1\nGPU-1, 2, ollama, 2\nGPU-2, 3, x, 4\nGPU-2, 4, y, 8\nGPU-9, 5, z, 16\n'
    expect(memoryOf(text)).toEqual([
      { ollama: 3 * MIB, other: 0 },
      { ollama: 0, other: 12 * MIB },
    ])
  })

  it.each(['[N/A]', '[Insufficient Permissions]', '-1', ''])('does not know a sum with %j in it', (memory) => {
    expect(memoryOf(`GPU-1, 1, ollama, 1\nGPU-1, 2, ollama, ${memory}\nGPU-1, 3, x, 7\n`)).toEqual([
      { ollama: undefined, other: 7 * MIB },
      NONE,
    ])
  })

  it.each(['', '\n', 'No running processes found\n', 'GPU-1, 1, 100\n', 'GPU-1, 1, ollama, 100'])(
    'finds none in %j',
    (text) => expect(memoryOf(text)).toEqual([NONE, NONE]),
  )
})
