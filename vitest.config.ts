import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores, and many tests that mostly wait; none depends on speed.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['default', './test/helpers/reporter.ts'],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
})
