import { parseArgs } from 'node:util'

import { formatAddress, StartError } from '../listen.ts'
import { UsageError } from '../usage-error.ts'
import { loadRecordings, recordingVersions, type RecordingVersion } from './recordings.ts'
import { createStandIn, type StandIn } from './stand-in.ts'
import { createTraffic } from './traffic.ts'

export interface DemoIo {
  /** Takes one line, without its line end. */
  readonly stdout: (line: string) => void
  /** Ends the demo. */
  readonly signal: AbortSignal
}

export interface DemoArguments {
  readonly help: boolean
  readonly port: number
  readonly host: string
  readonly speed: number
  readonly version: RecordingVersion
  readonly trafficUrl: URL | undefined
  readonly rate: number
  /** Plays the traffic and nothing else. */
  readonly trafficOnly: boolean
}

export const demoUsage = `Usage: ollascope demo [options]

A stand-in Ollama that answers with the recorded traffic of a real one.

  --port N            port to listen on (default 11434; 0 takes a free one)
  --host HOST         address to listen on (default 127.0.0.1)
  --speed N           how many times faster than recorded (default 1; 0 does not wait at all)
  --ollama NAME       which Ollama to play: ${recordingVersions.join(', ')} (default ${recordingVersions[0]})
  --traffic URL       also sends a mixed load to URL, such as the proxy's
  --traffic-only      sends the load of --traffic and does not listen
  --rate N            requests per second of that load (default 2)
  --help              prints this`

function numberOption(name: string, text: string, fits: (value: number) => boolean, what: string): number {
  const value = text.trim() === '' ? NaN : Number(text)
  if (!fits(value)) throw new UsageError(`--${name} must be ${what}, not '${text}'`)
  return value
}

function urlOption(text: string): URL {
  const url = URL.parse(text)
  if (url?.protocol !== 'http:') throw new UsageError(`--traffic must be an http:// URL, not '${text}'`)
  return url
}

function parseOptions(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string', default: '11434' },
        host: { type: 'string', default: '127.0.0.1' },
        speed: { type: 'string', default: '1' },
        ollama: { type: 'string', default: recordingVersions[0] },
        traffic: { type: 'string' },
        'traffic-only': { type: 'boolean', default: false },
        rate: { type: 'string', default: '2' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** Reads the options of `ollascope demo`. Throws a UsageError that names the option. */
export function parseDemoArguments(argv: readonly string[]): DemoArguments {
  const values = parseOptions(argv)
  const version = recordingVersions.find((known) => known === values.ollama)
  if (version === undefined) {
    throw new UsageError(`--ollama must be one of ${recordingVersions.join(', ')}, not '${values.ollama}'`)
  }
  if (values['traffic-only'] && values.traffic === undefined) throw new UsageError('--traffic-only needs --traffic URL')
  const isPort = (value: number) => Number.isInteger(value) && value >= 0 && value <= 65_535
  return {
    help: values.help,
    port: numberOption('port', values.port, isPort, 'a port'),
    host: values.host,
    speed: numberOption('speed', values.speed, (value) => value >= 0, 'a number, 0 or more'),
    version,
    trafficUrl: values.traffic === undefined ? undefined : urlOption(values.traffic),
    rate: numberOption('rate', values.rate, (value) => value > 0 && value <= 1000, 'a number above 0, 1000 at most'),
    trafficOnly: values['traffic-only'],
  }
}

const listenErrors: Record<string, string> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'the address is not one of this machine',
  ENOTFOUND: 'the host is unknown',
}

function listenError(cause: unknown, host: string, port: number): StartError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
  const where = formatAddress({ host, port })
  return new StartError(`ollascope: cannot listen on ${where}: ${listenErrors[code] ?? code}`, { cause })
}

async function listen(standIn: StandIn, { host, port }: DemoArguments): Promise<string> {
  try {
    const bound = await standIn.listen(port, host)
    return `http://${formatAddress({ host, port: bound.port })}`
  } catch (cause) {
    throw listenError(cause, host, port)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/**
 * Runs `ollascope demo` until the signal aborts.
 *
 * Rejects with a UsageError where the options are wrong, and with a StartError of one line where it cannot listen.
 */
export async function runDemo(argv: readonly string[], { stdout, signal }: DemoIo): Promise<void> {
  const options = parseDemoArguments(argv)
  if (options.help) {
    for (const line of demoUsage.split('\n')) stdout(line)
    return
  }
  const { trafficUrl, trafficOnly, version, speed, rate } = options
  const standIn = trafficOnly ? undefined : createStandIn({ recordings: loadRecordings(), version, speed })
  const traffic = trafficUrl && createTraffic({ url: trafficUrl, rate })
  try {
    if (standIn !== undefined) {
      stdout(`ollascope demo: a stand-in Ollama listens on ${await listen(standIn, options)}`)
    }
    if (trafficUrl !== undefined) stdout(`ollascope demo: sends ${rate} requests per second to ${trafficUrl.origin}`)
    traffic?.start()
    await aborted(signal)
  } finally {
    await traffic?.stop()
    await standIn?.close()
  }
}
