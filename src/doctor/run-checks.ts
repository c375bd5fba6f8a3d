import { fail, messageOf, type Check, type Result } from './check.ts'
import type { Context } from './context.ts'

export interface Finding {
  readonly check: Check
  readonly result: Result
  readonly seconds: number
}

/** Runs all checks beside each other; gives what they found in their order. None rejects, and none hangs. */
export function runChecks(checks: readonly Check[], context: Context): readonly Promise<Finding>[] {
  return checks.map(async (check) => {
    const startedMs = performance.now()
    const result = await runOne(check, context)
    return { check, result, seconds: (performance.now() - startedMs) / 1000 }
  })
}

/** A check asks several questions, each with a time of its own; this is for what knows no time, such as a dead disk. */
async function runOne(check: Check, context: Context): Promise<Result> {
  const { timeoutMs, answerTimeoutMs, stop } = context
  const limitMs = 3 * timeoutMs + (check.slow ? answerTimeoutMs : 0)
  const overdue = Promise.withResolvers<Result>()
  const again = `ollascope doctor --only ${check.id} --timeout ${Math.ceil((timeoutMs * 3) / 1000)}s`
  const timer = setTimeout(() => overdue.resolve(fail(`no result within ${limitMs / 1000} s`, again)), limitMs)
  const onStop = () => overdue.resolve(fail('it was stopped', again))
  stop.addEventListener('abort', onStop)
  try {
    const run = async () => check.run(context)
    return await Promise.race([run(), overdue.promise])
  } catch (error) {
    return fail(messageOf(error), again)
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', onStop)
  }
}
