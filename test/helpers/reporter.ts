import type { Reporter, TestCase, TestModule } from 'vitest/node'

/**
 * Ends a run with what was skipped and the one command that installs what was missing, and with the plain line
 * `N passed, N failed, N skipped`. With REQUIRE_ALL_TESTS=1 a skipped test fails the run.
 */
export default class Summary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    let passed = 0
    let failed = modules.flatMap((module) => module.errors()).length
    const skipped: string[] = []
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        if (test.result().state === 'passed') passed++
        else if (isSkipped(test)) skipped.push(test.fullName)
        else failed++
      }
      // A suite whose set-up failed has tests that never ran.
      failed += [...module.children.allSuites()].filter((suite) => suite.errors().length > 0).length
    }
    const strict = process.env.REQUIRE_ALL_TESTS === '1'
    if (skipped.length > 0) {
      console.log(`\nSkipped, since what they need is missing here; "make test-deps" installs programs (Debian, root):`)
      for (const name of skipped) console.log(`  ${name}`)
      if (strict) {
        console.log('REQUIRE_ALL_TESTS=1: a skipped test counts as failed.')
        failed += skipped.length
        process.exitCode = 1
      }
    }
    if (passed + failed === 0) {
      console.log('No test ran.')
      process.exitCode = 1
    }
    console.log(`\n${passed} passed, ${failed} failed${strict ? '' : `, ${skipped.length} skipped`}`)
  }
}

/** Tests of a skipped suite in another skipped one are left by vitest as if they were still to run. */
function isSkipped(test: TestCase): boolean {
  const { state } = test.result()
  if (state !== 'pending') return state === 'skipped'
  for (let suite = test.parent; suite.type === 'suite'; suite = suite.parent) {
    if (suite.options.mode === 'skip') return true
  }
  return false
}
