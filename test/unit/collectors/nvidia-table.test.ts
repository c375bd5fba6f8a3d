import { describe, expect, it } from 'vitest'
import { MAX_GPUS, THROTTLE_REASONS } from '../../../src/collectors/gpu.ts'
import { parseTable } from '../../../src/collectors/nvidia/table.ts'

const UUID = 'GPU-7d2b9c14-0c5e-4a86-b1f3-58e6a90d4c27'
const column = (key: 'index' | 'uuid' | 'name' | 'throttle' | 'powerWatts' | 'migMode', field: string) => ({
  key,
  field,
})
const COLUMNS = [
  column('index', 'index'),
  column('uuid', 'uuid'),
  column('powerWatts', 'power.draw'),
  column('migMode', 'mig.mode.current'),
  column('throttle', 'clocks_event_reasons.active'),
  column('name', 'name'),
]

/** One GPU whose cells are these. */
function read({ index = '0', uuid = UUID, power = '70.50', mig = 'Disabled', mask = '0x0', name = 'NVIDIA A10' } = {}) {
  return parseTable(`${[index, uuid, power, mig, mask, name].join(', ')}\n`, COLUMNS)[0]
}

describe('a line', () => {
  it('is a GPU', () => {
    expect(read()).toMatchObject({
      vendor: 'nvidia',
      index: '0',
      uuid: UUID,
      name: 'NVIDIA A10',
      driverVersion: '',
      pciAddress: '',
      isExpected: true,
      numbers: { powerWatts: 70.5, migMode: 0, memoryUsedBytes: undefined },
      throttle: [],
    })
  })

  it.each([
    'N/A',
    '[N/A]',
    '[Not Supported]',
    '[Unknown Error]',
    '[GPU is lost]',
    'ERR!',
    '[Requested functionality has been deprecated]',
    '[Function Not Found]',
    '[Insufficient Permissions]',
    '[GPU requires reset]',
    '',
    '-',
    'nan',
    'inf',
    '1e3',
    '0x10',
    '70.50 W',
    '7 0',
    '1,5',
    '-1',
    '4294967.29',
    '9'.repeat(400),
  ])('has no number in %j', (text) => {
    const gpu = read({ power: text, mig: text, mask: text === '0x10' ? '' : text })
    expect(gpu?.numbers).toMatchObject({ powerWatts: undefined, migMode: undefined })
    expect(gpu?.throttle).toBeUndefined()
  })

  it.each(['N/A', '[N/A]', '[Unknown Error]', 'ERR!'])('has no name in %j', (name) => {
    expect(read({ name })?.name).toBe('')
  })

  it('may have a name with commas in it', () => {
    expect(read({ name: 'NVIDIA A10, 24 GB, "special", x' })?.name).toBe('NVIDIA A10, 24 GB, "special", x')
  })

  it('has a name that is printable and not long', () => {
    expect(read({ name: `A\u0000B\u001b[0m${'c'.repeat(500)}` })?.name).toBe(`AB[0m${'c'.repeat(121)}`)
  })

  it.each([
    ['a word', 'one'],
    ['nothing', ''],
    ['[N/A]', '[N/A]'],
    ['long', '1234'],
    ['negative', '-1'],
  ])('is none where its index is %s', (_what, index) => expect(read({ index })).toBeUndefined())

  it.each([['[Unknown Error]'], [''], ['a b'], ['x'.repeat(65)], ['GPU-"}']])(
    'is none where its uuid is %j',
    (uuid) => {
      expect(read({ uuid })).toBeUndefined()
    },
  )
})

describe('the reasons of the clocks', () => {
  it.each(THROTTLE_REASONS.map((reason, bit) => [reason, `0x${(1 << bit).toString(16).padStart(16, '0')}`]))(
    'know %s as %s',
    (reason, mask) => expect(read({ mask })?.throttle).toEqual([reason]),
  )

  it.each([
    ['0x00000000000000C4', ['sw_power_cap', 'hw_thermal', 'hw_power_brake']],
    ['0x00000000000001FF', [...THROTTLE_REASONS]],
    ['0xfffffffffffffe00', []],
    ['0x8000000000000001', ['gpu_idle']],
  ])('in %s are %j', (mask, reasons) => {
    expect(read({ mask })?.throttle).toEqual(reasons)
  })

  it.each(['4', '0x', '0xg', '0x00000000000000001', 'Active'])('are unknown in %j', (mask) => {
    expect(read({ mask })?.throttle).toBeUndefined()
  })
})

describe('a table', () => {
  const line = (index: number, uuid: string) => `${index}, ${uuid}, 70.50, [N/A], 0x0, NVIDIA A10\n`

  it.each([
    ['a line without its end', `${line(0, UUID)}${line(1, 'GPU-2').trimEnd()}`],
    ['a line with too few columns', `${line(0, UUID)}1, GPU-2, 70.50\n`],
    ['a warning', `WARNING: infoROM is corrupted at gpu 0000:1E:00.0\n${line(0, UUID)}\n`],
    ['the same GPU again', `${line(0, UUID)}${line(1, UUID)}`],
    ['lines that end as on Windows', line(0, UUID).replace('\n', '\r\n')],
  ])('with %s has one GPU', (_what, text) => {
    expect(parseTable(text, COLUMNS)).toMatchObject([{ index: '0', uuid: UUID, name: 'NVIDIA A10' }])
  })

  it('may give two GPUs one number', () => {
    expect(parseTable(line(0, UUID) + line(0, 'GPU-2'), COLUMNS)).toHaveLength(2)
  })

  it('has no more GPUs than a machine', () => {
    const lines = Array.from({ length: MAX_GPUS + 9 }, (_, index) => line(index, `GPU-${index}`))
    expect(parseTable(lines.join(''), COLUMNS)).toHaveLength(MAX_GPUS)
  })

  it('is empty where there is no text', () => {
    expect(parseTable('', COLUMNS)).toEqual([])
  })
})
