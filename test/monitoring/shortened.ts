import { parse } from 'yaml'

/** Anything that YAML can hold. */
type Yaml = unknown
type Fields = Record<string, Yaml>

const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** A duration of Prometheus, in seconds. */
export function secondsOf(duration: string): number {
  const parts = [...duration.matchAll(/(\d+)(ms|[smhdw])/g)]
  if (parts.map(([text]) => text).join('') !== duration) throw new Error(`no duration: ${duration}`)
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNIT_SECONDS[unit] ?? NaN), 0)
}

/** So many times shorter, and no shorter than that. */
function shorten(duration: string, times: number, leastSeconds: number): string {
  return `${Math.round(Math.max(leastSeconds, secondsOf(duration) / times) * 1000)}ms`
}

/** The ranges of an expression, and its offsets, so many times shorter: no range so short that nothing falls in it. */
function shortenExpression(expr: string, times: number, leastSeconds: number): string {
  return expr
    .replaceAll(/\[(\w+)(:(\w*))?\]/g, (_all, range: string, colon: string | undefined, step: string | undefined) => {
      const inner = shorten(range, times, leastSeconds)
      if (colon === undefined) return `[${inner}]`
      return `[${inner}:${step === undefined || step === '' ? '' : shorten(step, times, 1)}]`
    })
    .replaceAll(/\boffset (\w+)/g, (_all, by: string) => `offset ${shorten(by, times, 1)}`)
}

/** The shipped rules, with everything that is time so many times shorter. */
export function shortenRules(text: string, times: number): Fields {
  const leastRange = 6
  const file = parse(text) as { groups: Fields[] }
  return {
    groups: file.groups.map((group) => ({
      ...group,
      ...(typeof group.interval === 'string' && { interval: '1s' }),
      rules: (group.rules as Fields[]).map((rule) => ({
        ...rule,
        expr: shortenExpression(String(rule.expr), times, leastRange),
        ...(typeof rule.for === 'string' && { for: shorten(rule.for, times, 0) }),
        ...(typeof rule.keep_firing_for === 'string' && {
          keep_firing_for: shorten(rule.keep_firing_for, times, 1),
        }),
      })),
    })),
  }
}

/** Every `group_wait`, `group_interval` and `repeat_interval` of a route and of those below it. */
export function shortenRoute(route: Fields, times: number): Fields {
  const waits = Object.fromEntries(
    ['group_wait', 'group_interval', 'repeat_interval'].flatMap((key) => {
      const wait = route[key]
      return typeof wait === 'string' ? [[key, shorten(wait, times, 0.2)]] : []
    }),
  )
  const below = Array.isArray(route.routes)
    ? { routes: (route.routes as Fields[]).map((one) => shortenRoute(one, times)) }
    : {}
  return { ...route, ...waits, ...below }
}
