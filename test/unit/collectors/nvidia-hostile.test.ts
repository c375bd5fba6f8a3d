import { describe, expect, it } from 'vitest'
import { CollectError, type Measurement } from '../../../src/collectors/collector.ts'
import { createEnergy } from '../../../src/collectors/energy.ts'
import { MAX_GPUS, measureGpu } from '../../../src/collectors/gpu.ts'
import { failureOfRun, isUnknownField, isWithoutGpus } from '../../../src/collectors/nvidia/failures.ts'
import { chooseColumns } from '../../../src/collectors/nvidia/fields.ts'
import { addProcesses } from '../../../src/collectors/nvidia/processes.ts'
import type { Ended } from '../../../src/collectors/nvidia/program.ts'
import { parseTable } from '../../../src/collectors/nvidia/table.ts'
import { NEW_FIELDS } from '../../helpers/nvidia-smi.ts'
import { seriesOf } from '../../helpers/nvidia-smi-collect.ts'
import { createRandom, type Random } from '../../helpers/random.ts'

const CELLS = [
  ...['0', '1', '-1', '97', '100', '101', '0.5', '1e999', 'NaN', 'Infinity', '-Infinity', '9'.repeat(30), '4294967295'],
  ...['[N/A]', 'N/A', 'ERR!', '[Unknown Error]', 'Enabled', 'Disabled', 'P0', 'P99', 'P', 'P-1', 'P1.5'],
  ...[
    '0x1ff',
    '0xffffffffffffffff',
    '0x',
    'GPU-1',
    'GPU-2',
    'GPU-é',
    '',
    ' ',
    '\t',
    '\r',
    ',',
    ', ',
    '"',
    '\u0000',
    '😀',
  ],
  ...['ollama', '/ollama/', 'x'.repeat(3000), '__proto__', 'constructor', '\n', '\r\n', '\u2028'],
] as const
const HELP = NEW_FIELDS.map((spellings) => spellings.map((one) => `"${one}"`).join(' or ')).join('\n')

/** Mostly lines of about as many cells as were asked for, of which the first two tend to be sound. */
function hostileTable(random: Random, columns: number): string {
  const cell = () => (random.chance(0.7) ? String(random.below(120)) : random.pick(CELLS))
  const line = () => {
    const cells = Array.from({ length: columns + (random.chance(0.8) ? 0 : random.below(5) - 2) }, cell)
    if (random.chance(0.9)) cells[0] = String(random.below(99))
    if (random.chance(0.9)) cells[1] = `GPU-${random.below(200)}`
    return cells.join(random.chance(0.95) ? ', ' : ',')
  }
  return Array.from({ length: random.below(150) }, () => line() + (random.chance(0.98) ? '\n' : '')).join('')
}

const BATCHES = Array.from({ length: 10 }, (_, batch) => batch)

describe('hostile output', () => {
  const columns = chooseColumns(HELP) ?? []

  it.each(BATCHES)('gives only sound and bounded series: batch %i', (batch) => {
    const random = createRandom(batch)
    let clockMs = 0
    const energy = createEnergy(() => (clockMs += 5000))
    let gpusSeen = 0
    for (let table = 0; table < 40; table++) {
      const gpus = addProcesses(parseTable(hostileTable(random, columns.length), columns), hostileTable(random, 4))
      energy.add(gpus)
      expectSound([...gpus.flatMap(measureGpu), ...energy.read()])
      expect(gpus.length).toBeLessThanOrEqual(MAX_GPUS)
      gpusSeen += gpus.length
    }
    expect(gpusSeen).toBeGreaterThan(500)
  })

  it.each(BATCHES)('is a failure with a reason: batch %i', (batch) => {
    const random = createRandom(batch)
    for (let run = 0; run < 40; run++) {
      const ended: Ended = {
        code: random.pick([0, 1, 4, 9, 14, 255, null]),
        signal: random.pick(['SIGSEGV', null]),
        stdout: hostileTable(random, 3),
        stderr: hostileTable(random, 1),
      }
      const failure = failureOfRun(ended)
      expect(failure).toBeInstanceOf(CollectError)
      expect(['no_driver', 'permission', 'exit', 'parse']).toContain(failure.reason)
      expect(failure.message.length).toBeLessThan(500)
      expect([isUnknownField(ended), isWithoutGpus(ended)]).toEqual([false, false])
      expect(chooseColumns(ended.stdout)).toBeUndefined()
    }
  })
})

function expectSound(measured: readonly Measurement[]): void {
  expect(measured.length).toBeLessThanOrEqual(MAX_GPUS * 29 + 256)
  expect(new Set(seriesOf(measured)).size).toBe(measured.length)
  for (const { metric, value, labels } of measured) {
    expect(Number.isFinite(value)).toBe(true)
    if (!metric.name.includes('temperature')) expect(value).toBeGreaterThanOrEqual(0)
    if (metric.name.includes('utilization')) expect(value).toBeLessThanOrEqual(1)
    expect(Object.keys(labels).sort()).toEqual([...metric.labels].sort())
    expect(Object.values(labels).every((text) => text.length <= 128 && !/\p{C}/u.test(text))).toBe(true)
  }
}
