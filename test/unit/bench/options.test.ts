import { describe, expect, test } from 'vitest'
import { parseBenchOptions } from '../../../src/bench/options.ts'

describe('parseBenchOptions', () => {
  test('has defaults', () => {
    expect(parseBenchOptions([])).toEqual({
      help: false,
      json: false,
      model: undefined,
      url: undefined,
      tokenFile: undefined,
      requests: 10,
      concurrency: 1,
      promptTokens: 64,
      maxTokens: 128,
      platform: undefined,
    })
  })

  test.each([
    [['--requests', '0'], '--requests must be'],
    [['--concurrency', '1.5'], '--concurrency must be'],
    [['--concurrency', '1001'], '1 to 1000'],
    [['--prompt-tokens', 'x'], '--prompt-tokens must be'],
    [['--max-tokens', '-1'], '--max-tokens'],
    [['--url', 'localhost:11435'], '--url must be'],
    [['--url', 'ftp://x'], '--url must be'],
    [['--platform', 'tpu'], '--platform must be one of nvidia'],
    [['fast'], "'fast'"],
  ])('%j: %s', (argv, says) => {
    expect(() => parseBenchOptions(argv)).toThrow(says)
  })
})
