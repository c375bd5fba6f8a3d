import { MappingType, SpecialValueMatch, type ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard'
import { COLOURS } from '../colours.ts'
import { DEAD, IDLE } from '../queries/alive.ts'

interface State {
  readonly text: string
  readonly color: string
}

const nothing: State = { text: 'no data', color: COLOURS.noData }

/** What nobody exports is loud on every panel. */
export const NO_DATA: readonly ValueMapping[] = [
  { type: MappingType.SpecialValue, options: { match: SpecialValueMatch.NullAndNan, result: nothing } },
  states({ [DEAD]: nothing }),
]

/** Words for a value that nobody misses. */
export function whenEmpty(text: string): ValueMapping {
  return {
    type: MappingType.SpecialValue,
    options: { match: SpecialValueMatch.NullAndNan, result: { text, color: COLOURS.idle } },
  }
}

/** Words for single values. */
export function states(words: Readonly<Record<number, State>>): ValueMapping {
  return { type: MappingType.ValueToText, options: { ...words } }
}

/** Words for IDLE, which is well and not loud. */
export function idle(text: string): ValueMapping {
  return states({ [IDLE]: { text, color: COLOURS.idle } })
}

export const UP_OR_DOWN = states({ 0: { text: 'DOWN', color: COLOURS.bad }, 1: { text: 'up', color: COLOURS.good } })
export const WELL_OR_FAILING = states({
  0: { text: 'FAILING', color: COLOURS.bad },
  1: { text: 'well', color: COLOURS.good },
})
