import { describe, expect, it } from 'vitest'
import { chooseColumns } from '../../../src/collectors/nvidia/fields.ts'

const HELP = `List of valid properties to query for the switch "--query-gpu":

"timestamp"
The timestamp of when the query was made in format "YYYY/MM/DD HH:MM:SS.msec".

"driver_version"
The version of the installed NVIDIA display driver.

"name" or "gpu_name"
The official product name of the GPU.

"uuid" or "gpu_uuid"
This value is the globally unique identifier of the GPU.

"index"
Zero based index of the GPU. Can change at each boot.

Section about clocks_event_reasons properties
If all are returned as "Not Active" it means that "pstate" is high.

"clocks_event_reasons.active" or "clocks_throttle_reasons.active"
Bitmask of active clock event reasons.

"clocks.current.sm" or "clocks.sm"
Current frequency of the SM clock.

"0: Default" means multiple contexts are allowed per device.
`

const fieldsOf = (help: string) => chooseColumns(help)?.map(({ field }) => field)

describe('chooseColumns', () => {
  it('asks only for what the help offers, and for the name last', () => {
    expect(fieldsOf(HELP)).toEqual([
      'index',
      'uuid',
      'driver_version',
      'clocks.current.sm',
      'clocks_event_reasons.active',
      'name',
    ])
  })

  it.each([
    ['clocks_throttle_reasons.active', '"clocks_event_reasons.active" or '],
    ['clocks.sm', '"clocks.current.sm" or '],
    ['gpu_uuid', '"uuid" or '],
    ['gpu_name', '"name" or '],
  ])('asks for %s where that is the only spelling', (field, without) => {
    expect(fieldsOf(HELP)).not.toContain(field)
    expect(fieldsOf(HELP.replace(without, ''))).toContain(field)
  })

  it('prefers the newer field for the version of the driver', () => {
    expect(fieldsOf(`${HELP}\n"kmd_version"\nThe version.\n`)).toContain('kmd_version')
  })

  it('reads lines that end as on Windows', () => {
    expect(fieldsOf(HELP.replaceAll('\n', '\r\n'))).toEqual(fieldsOf(HELP))
  })

  it.each([
    ['no text', ''],
    ['no index', HELP.replace('"index"', '"position"')],
    ['no uuid', HELP.replace('"uuid" or "gpu_uuid"', '"serial"')],
    ['a usage', 'Usage: nvidia-smi [-h]\n'],
  ])('knows none from %s', (_what, help) => {
    expect(chooseColumns(help)).toBeUndefined()
  })
})
