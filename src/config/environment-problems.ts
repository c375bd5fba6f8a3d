import { isSecretName, MASK } from './parsers.ts'
import { line } from './reader.ts'
import { allSettings, fileVariable, given, namesOf, parserOf } from './settings.ts'
import type { Env, Given, Setting } from './settings.ts'
import { suggest } from './suggest.ts'

const FROM_KUBERNETES = /^OLLASCOPE_(SERVICE_|PORT$|PORT_)/

/** What is wrong with the names in the environment, whatever the values: twice, or unknown; a line each. */
export function environmentProblems(env: Env): string[] {
  return [...twiceProblems(env), ...unknownProblems(env)]
}

/** One setting by two names: an older one may repeat the newer, a file may not stand beside the secret itself. */
function twiceProblems(env: Env): string[] {
  return allSettings.flatMap((row) => {
    const [first, ...others] = given(env, row)
    if (first === undefined) return []
    return others
      .filter((other) => other.variable === fileVariable(row.variable) || !sameValue(row, first, other))
      .map((other) => line(other, `${first.variable} is set too; set only one of them`))
  })
}

function sameValue(row: Setting<unknown>, ...twice: readonly [Given, Given]): boolean {
  const [first, other] = twice.map(({ variable, text }) => parserOf(row, variable)(text))
  if (first === undefined || other === undefined) return false
  return 'value' in first && 'value' in other && first.value === other.value
}

/** Settings that nobody knows, in the order of the alphabet: that of the environment means nothing. */
function unknownProblems(env: Env): string[] {
  const known = new Set(allSettings.flatMap(namesOf))
  const unknown = Object.keys(env).filter((variable) => !known.has(variable) && env[variable])
  return unknown.sort().flatMap((variable) => {
    const one = { variable, text: env[variable] ?? '' }
    if (variable.startsWith('OTEL_EXPORTER_OTLP_')) return [line(one, exporterProblem(variable))]
    if (!variable.startsWith('OLLASCOPE_') || FROM_KUBERNETES.test(variable)) return []
    const near = suggest(variable, [...known])
    const why = near === undefined ? 'see ollascope --help for what there is' : `did you mean ${near}?`
    // A misspelt secret is still one, and a name that is not known says nothing of whether its value is a path.
    const secret = isSecretName(variable) || isSecretName(near ?? '')
    return [line(secret ? { variable, text: MASK } : one, `unknown setting; ${why}`)]
  })
}

/** Why a standard variable of an exporter is refused: what it asks for would not happen. */
function exporterProblem(variable: string): string {
  const [, signal] = /^OTEL_EXPORTER_OTLP_(METRICS|LOGS|PROFILES)_/.exec(variable) ?? []
  if (signal === 'METRICS') return 'only traces are exported; metrics are for Prometheus, at /metrics: remove it'
  if (signal !== undefined) return 'only traces are exported; remove it'
  if (/CERTIFICATE$|CLIENT_KEY$/.test(variable)) {
    return 'not supported; NODE_EXTRA_CA_CERTS names the CA of a collector, and headers are what it knows a client by'
  }
  const near = suggest(variable, allSettings.flatMap(namesOf))
  return near === undefined ? 'not supported; remove it' : `not supported; did you mean ${near}?`
}
