import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores: the files of one run share them, and no test depends on speed.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['default', './test/helpers/reporter.ts'],
    coverage: { provider: 'v8', include: ['src/**'] },
  },
})
