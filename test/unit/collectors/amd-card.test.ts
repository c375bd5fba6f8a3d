import { describe, expect, it } from 'vitest'
import { parseCard, type CardTexts } from '../../../src/collectors/amd/card.ts'

/** A card for players, as amdgpu of a kernel of 2024 shows it. */
const NAVI: CardTexts = {
  vendor: '0x1002',
  device: '0x744c',
  uevent:
    'DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\nMODALIAS=pci:v00001002d0000744C',
  unique_id: '3f9a61c2b7d04e58',
  mem_info_vram_total: '25753026560',
  mem_info_vram_used: '9663676416',
  gpu_busy_percent: '93',
  mem_busy_percent: '57',
  'hwmon/temp1_input': '61000',
  'hwmon/temp1_label': 'edge',
  'hwmon/temp2_input': '78000',
  'hwmon/temp2_label': 'junction',
  'hwmon/temp3_input': '84500',
  'hwmon/temp3_label': 'mem',
  'hwmon/power1_average': '291000000',
  'hwmon/power1_cap': '303000000',
  'hwmon/fan1_input': '1650',
  'hwmon/fan1_max': '3300',
  'hwmon/freq1_input': '2482000000',
  'hwmon/freq2_input': '1249000000',
}

describe('a card', () => {
  it('is read in base units', () => {
    expect(parseCard('1', NAVI, '6.8.5')).toEqual({
      vendor: 'amd',
      index: '1',
      uuid: '3f9a61c2b7d04e58',
      name: 'AMD 0x744c',
      driverVersion: '6.8.5',
      pciAddress: '0000:03:00.0',
      isExpected: true,
      numbers: {
        utilizationRatio: 0.93,
        memoryUtilizationRatio: 0.57,
        memoryUsedBytes: 9663676416,
        memoryTotalBytes: 25753026560,
        temperatureCelsius: 61,
        memoryTemperatureCelsius: 84.5,
        powerWatts: 291,
        powerLimitWatts: 303,
        smClockHertz: 2482000000,
        memoryClockHertz: 1249000000,
        fanRatio: 0.5,
      },
      throttle: undefined,
    })
  })

  it.each([
    ['another vendor', { vendor: '0x8086' }],
    ['no vendor', { vendor: '' }],
    ['no memory of its own', { mem_info_vram_total: '' }],
  ])('is no GPU of AMD with %s', (_what, texts) => {
    expect(parseCard('0', { ...NAVI, ...texts }, '')).toBeUndefined()
  })

  it.each([
    ['its PCI slot', { unique_id: '' }, '0000:03:00.0'],
    ['its PCI slot where the id is only zeros', { unique_id: '0000000000000000' }, '0000:03:00.0'],
    ['its number where there is neither', { unique_id: '', uevent: '' }, 'card1'],
  ])('is told apart by %s', (_what, texts, uuid) => {
    expect(parseCard('1', { ...NAVI, ...texts }, '')).toMatchObject({ uuid })
  })

  it('has the name that a server card tells', () => {
    expect(parseCard('1', { ...NAVI, product_name: 'AMD INSTINCT MI250' }, '')).toMatchObject({
      name: 'AMD INSTINCT MI250',
    })
  })

  it.each([
    ['512 MiB', 512 * 2 ** 20, false],
    ['just below 4 GiB', 4 * 2 ** 30 - 1, false],
    ['4 GiB', 4 * 2 ** 30, true],
    ['96 GiB', 96 * 2 ** 30, true],
  ])('with %s is expected to be used or not', (_what, bytes, isExpected) => {
    expect(parseCard('0', { ...NAVI, mem_info_vram_total: String(bytes) }, '')).toMatchObject({ isExpected })
  })
})

describe('a number', () => {
  const numbersOf = (texts: CardTexts) => parseCard('0', { ...NAVI, ...texts }, '')?.numbers

  it('is left out where its file is missing', () => {
    const bare: CardTexts = { vendor: NAVI.vendor ?? '', mem_info_vram_total: '8589934592' }
    const numbers = parseCard('0', bare, '')?.numbers ?? {}
    expect(Object.entries(numbers).filter(([, value]) => value !== undefined)).toEqual([
      ['memoryTotalBytes', 8589934592],
    ])
  })

  it.each(['', 'N/A', '-1', 'nan', '0x10', '1e3', '101'])('is left out where it says %j', (text) => {
    expect(numbersOf({ gpu_busy_percent: text })?.utilizationRatio).toBeUndefined()
  })

  it.each([
    ['the average', {}, 291],
    [
      'what is drawn now where there is no average',
      { 'hwmon/power1_average': '', 'hwmon/power1_input': '55000000' },
      55,
    ],
    ['the average where there are both', { 'hwmon/power1_input': '55000000' }, 291],
  ])('of power is %s', (_what, texts, watts) => {
    expect(numbersOf(texts)?.powerWatts).toBe(watts)
  })

  it.each([
    ['on a server card without an edge', { 'hwmon/temp1_input': '', 'hwmon/temp1_label': '' }, 78, 84.5],
    [
      'on an old chip without labels',
      { 'hwmon/temp1_label': '', 'hwmon/temp2_input': '', 'hwmon/temp3_input': '' },
      61,
      undefined,
    ],
    ['in another order', { 'hwmon/temp1_label': 'mem', 'hwmon/temp3_label': 'edge' }, 84.5, 61],
    ['below zero', { 'hwmon/temp1_input': '-5000' }, -5, 84.5],
    [
      'of a broken sensor',
      { 'hwmon/temp1_input': '65261850', 'hwmon/temp2_input': '', 'hwmon/temp3_input': '' },
      undefined,
      undefined,
    ],
  ])('of temperature %s', (_what, texts, celsius, memoryCelsius) => {
    const numbers = numbersOf(texts)
    expect([numbers?.temperatureCelsius, numbers?.memoryTemperatureCelsius]).toEqual([celsius, memoryCelsius])
  })

  it.each(['0', ''])('of a fan needs its maximum, and that is not %j', (max) => {
    expect(numbersOf({ 'hwmon/fan1_max': max })?.fanRatio).toBeUndefined()
  })
})
