import { fieldsOf, idOf } from './fields.ts'

/** What happened to a container. */
export interface EventLine {
  readonly id: string
  readonly action: 'oom' | 'die' | 'start' | 'destroy'
  /** Nanoseconds since 1970, in decimal: more digits than a number holds. */
  readonly timeNano: string
}

/** Docker's names, and Podman's. */
const ACTIONS = new Map<unknown, EventLine['action']>([
  ['oom', 'oom'],
  ['die', 'die'],
  ['died', 'die'],
  ['start', 'start'],
  ['destroy', 'destroy'],
  ['remove', 'destroy'],
])

/** Reads a line of the event stream; `undefined` for what is none, or is about something else. */
export function parseEventLine(line: string): EventLine | undefined {
  const { Type, Action, Actor, timeNano, time } = fieldsOf(parseExactly(line))
  const action = ACTIONS.get(Action)
  const id = idOf(fieldsOf(Actor).ID)
  // A Podman that tells whole seconds only is taken at its word.
  const nanos = decimal(timeNano) ?? (decimal(time) === undefined ? undefined : `${decimal(time)}000000000`)
  return Type !== 'container' || action === undefined || id === undefined || nanos === undefined
    ? undefined
    : { id, action, timeNano: nanos }
}

/** The JSON of a line, in which the times keep all their digits; `undefined` where it is none. */
function parseExactly(line: string): unknown {
  try {
    return JSON.parse(line, (key, value: unknown, context?: { readonly source?: string }) =>
      key.startsWith('time') && typeof value === 'number' ? context?.source : value,
    )
  } catch {
    return undefined
  }
}

function decimal(value: unknown): string | undefined {
  return typeof value === 'string' && /^[1-9]\d{0,18}$/.test(value) ? value : undefined
}

/** A time in nanoseconds as `since` takes it: seconds, a point and nine digits. */
export function sinceOf(timeNano: string): string {
  const digits = timeNano.padStart(10, '0')
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`
}
