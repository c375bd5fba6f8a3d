import { describe, expect, it } from 'vitest'

import { demoUsage, parseDemoArguments, runDemo } from '../../../src/demo/command.ts'
import { UsageError } from '../../../src/usage-error.ts'

describe('parseDemoArguments', () => {
  it('has defaults', () => {
    expect(parseDemoArguments([])).toEqual({
      help: false,
      port: 11_434,
      host: '127.0.0.1',
      speed: 1,
      version: 'ollama-0.33',
      trafficUrl: undefined,
      rate: 2,
      trafficOnly: false,
    })
  })

  it('takes every option', () => {
    const options = ['--port=0', '--host', '::1', '--speed', '10', '--ollama', 'ollama', '--rate', '0.5']
    const traffic = ['--traffic', 'http://127.0.0.1:11435', '--traffic-only']
    expect(parseDemoArguments([...options, ...traffic])).toEqual({
      help: false,
      port: 0,
      host: '::1',
      speed: 10,
      version: 'ollama',
      trafficUrl: new URL('http://127.0.0.1:11435'),
      rate: 0.5,
      trafficOnly: true,
    })
  })

  it.each([
    [['--port', '70000'], "--port must be a port, not '70000'"],
    [['--port', ''], "--port must be a port, not ''"],
    [['--port', '1.5'], "--port must be a port, not '1.5'"],
    [['--speed=-1'], "--speed must be a number, 0 or more, not '-1'"],
    [['--speed', 'fast'], "--speed must be a number, 0 or more, not 'fast'"],
    [['--rate', '0'], '--rate must be a number above 0'],
    [['--ollama', '0.1'], "--ollama must be one of ollama-0.33, ollama, not '0.1'"],
    [['--ollama'], '--ollama'],
    [['--traffic', '127.0.0.1:1'], '--traffic must be an http:// URL'],
    [['--traffic', 'https://127.0.0.1'], '--traffic must be an http:// URL'],
    [['--traffic-only'], '--traffic-only needs --traffic URL'],
    [['--nope'], '--nope'],
    [['more'], 'more'],
  ])('refuses %j', (argv, message) => {
    expect(() => parseDemoArguments(argv)).toThrow(UsageError)
    expect(() => parseDemoArguments(argv)).toThrow(message)
  })
})

describe('runDemo', () => {
  it.each(['--help', '-h'])('prints the options for %s, and ends', async (option) => {
    const lines: string[] = []
    await runDemo([option], { stdout: (line) => lines.push(line), signal: new AbortController().signal })
    expect(lines.join('\n')).toBe(demoUsage)
    expect(lines[0]).toBe('Usage: ollascope demo [options]')
  })

  it('rejects where the options are wrong', async () => {
    const io = { stdout: () => undefined, signal: new AbortController().signal }
    await expect(runDemo(['--port', 'x'], io)).rejects.toThrow(UsageError)
  })
})
