import { labelText, parseNumber, type GpuSnapshot, type NumberForm } from '../gpu.ts'

/** The files of a card that are read, by their path in its `device` folder; its one `hwmon` folder is called `hwmon`. */
export const CARD_FILES = [
  'vendor',
  'device',
  'uevent',
  'unique_id',
  'product_name',
  'mem_info_vram_total',
  'mem_info_vram_used',
  'gpu_busy_percent',
  'mem_busy_percent',
  'hwmon/temp1_input',
  'hwmon/temp1_label',
  'hwmon/temp2_input',
  'hwmon/temp2_label',
  'hwmon/temp3_input',
  'hwmon/temp3_label',
  'hwmon/power1_average',
  'hwmon/power1_input',
  'hwmon/power1_cap',
  'hwmon/fan1_input',
  'hwmon/fan1_max',
  'hwmon/freq1_input',
  'hwmon/freq2_input',
] as const
type CardFile = (typeof CARD_FILES)[number]
/** What stands in them, without white space around it. What could not be read is left out. */
export type CardTexts = Readonly<Partial<Record<CardFile, string>>>

export const AMD_VENDOR = '0x1002'

const BYTES = { max: 2 ** 50 }
const PERCENT = { max: 100, per: 100 }
const MILLIDEGREES = { min: -100_000, max: 300_000, per: 1000 }
const MICROWATTS = { max: 1e10, per: 1e6 }
const HERTZ = { max: 1e11 }
const ROTATIONS = { max: 1e6 }

/** Integrated graphics has seldom more of its own, and then Ollama uses it; with less it stays on the CPU. */
const EXPECTED_FROM_BYTES = 4 * 2 ** 30

/**
 * What the kernel's amdgpu driver tells of a card; `undefined` where it is no GPU with memory of its own.
 * @param number the digits of `cardN`
 */
export function parseCard(number: string, texts: CardTexts, driverVersion: string): GpuSnapshot | undefined {
  const read = (file: CardFile, form: NumberForm) => parseNumber(texts[file] ?? '', form)
  const memoryTotalBytes = read('mem_info_vram_total', BYTES)
  if (texts.vendor !== AMD_VENDOR || memoryTotalBytes === undefined) return undefined
  const pciAddress = labelText(/^PCI_SLOT_NAME=(\S+)$/m.exec(texts.uevent ?? '')?.[1] ?? '')
  const temperatures = parseTemperatures(texts)
  return {
    vendor: 'amd',
    index: number,
    uuid: parseId(texts.unique_id) ?? (pciAddress === '' ? `card${number}` : pciAddress),
    name: labelText(texts.product_name ?? '') || labelText(`AMD ${texts.device ?? 'GPU'}`),
    driverVersion: labelText(driverVersion),
    pciAddress,
    isExpected: memoryTotalBytes >= EXPECTED_FROM_BYTES,
    numbers: {
      utilizationRatio: read('gpu_busy_percent', PERCENT),
      memoryUtilizationRatio: read('mem_busy_percent', PERCENT),
      memoryUsedBytes: read('mem_info_vram_used', BYTES),
      memoryTotalBytes,
      temperatureCelsius: temperatures.get('edge') ?? temperatures.get('') ?? temperatures.get('junction'),
      memoryTemperatureCelsius: temperatures.get('mem'),
      powerWatts: read('hwmon/power1_average', MICROWATTS) ?? read('hwmon/power1_input', MICROWATTS),
      powerLimitWatts: read('hwmon/power1_cap', MICROWATTS),
      smClockHertz: read('hwmon/freq1_input', HERTZ),
      memoryClockHertz: read('hwmon/freq2_input', HERTZ),
      fanRatio: ratio(read('hwmon/fan1_input', ROTATIONS), read('hwmon/fan1_max', ROTATIONS)),
    },
    throttle: undefined,
  }
}

/** By their labels, which some chips put in another order; an old chip has one sensor without a label. */
function parseTemperatures(texts: CardTexts): ReadonlyMap<string, number> {
  return new Map(
    ([1, 2, 3] as const).flatMap((channel) => {
      const celsius = parseNumber(texts[`hwmon/temp${channel}_input`] ?? '', MILLIDEGREES)
      return celsius === undefined ? [] : [[texts[`hwmon/temp${channel}_label`] ?? '', celsius] as const]
    }),
  )
}

/** 16 hexadecimal digits that stay with the board; a virtual or an old one has only zeros, or none. */
function parseId(text = ''): string | undefined {
  return /^[\da-f]{1,32}$/i.test(text) && !/^0+$/.test(text) ? text : undefined
}

function ratio(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || whole === undefined || whole === 0 ? undefined : part / whole
}
