import { isSecretName, MASK } from './parsers.ts'
import { line } from './reader.ts'
import { allSettings, fileVariable, given, namesOf, parserOf, pendingSettings } from './settings.ts'
import type { Env, Given, Setting } from './settings.ts'
import { suggest } from './suggest.ts'
import { NOT_YET } from './wording.ts'

const FROM_KUBERNETES = /^OLLASCOPE_(SERVICE_|PORT$|PORT_)/

/** What is wrong with the names in the environment, whatever the values: twice, not supported yet, unknown; a line each. */
export function environmentProblems(env: Env): string[] {
  return [...twiceProblems(env), ...pendingProblems(env), ...unknownProblems(env)]
}

/** One setting by two names: an older one may repeat the newer, a file may not stand beside the secret itself. */
function twiceProblems(env: Env): string[] {
  return allSettings.flatMap((row) => {
    const [first, ...others] = given(env, row)
    if (first === undefined || !('parse' in row)) return []
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

function pendingProblems(env: Env): string[] {
  const pending = pendingSettings.flatMap((row) => given(env, row))
  return pending.map((one) => line(one, NOT_YET))
}

/** Settings that nobody knows, in the order of the alphabet: that of the environment means nothing. */
function unknownProblems(env: Env): string[] {
  const known = new Set(allSettings.flatMap(namesOf))
  const unknown = Object.keys(env).filter((variable) => !known.has(variable) && env[variable])
  return unknown.sort().flatMap((variable) => {
    const one = { variable, text: env[variable] ?? '' }
    if (variable.startsWith('OTEL_EXPORTER_OTLP_')) return [line(one, NOT_YET)]
    if (!variable.startsWith('OLLASCOPE_') || FROM_KUBERNETES.test(variable)) return []
    const near = suggest(variable, [...known])
    const why = near === undefined ? 'see ollascope --help for what there is' : `did you mean ${near}?`
    // A misspelt secret is still one, and a name that is not known says nothing of whether its value is a path.
    const secret = isSecretName(variable) || isSecretName(near ?? '')
    return [line(secret ? { variable, text: MASK } : one, `unknown setting; ${why}`)]
  })
}
