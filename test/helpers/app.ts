import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import pino from 'pino'
import { createApp, type Role } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { readSamples, type Samples } from './samples.ts'

/** A receipt, or any other log line. */
export type LogLine = Readonly<Record<string, unknown>>

export interface RunningApp {
  /** 0 where there is no proxy. */
  readonly proxyPort: number
  readonly adminPort: number
  readonly proxyUrl: string
  readonly adminUrl: string
  /** All log lines so far. */
  readonly log: readonly LogLine[]
  /** Waits until so many requests have their receipt, and gives all receipts so far. */
  readonly receipts: (count: number) => Promise<readonly LogLine[]>
  readonly samples: () => Promise<Samples>
  readonly close: () => Promise<void>
}

/** The whole product in this process, on free ports, in front of the given upstream. */
export async function startApp(
  upstreamPort: number,
  env: Record<string, string> = {},
  maxConnections?: number,
  role: Role = 'serve',
): Promise<RunningApp> {
  const config = loadConfig(
    {
      OLLASCOPE_UPSTREAM: `http://127.0.0.1:${upstreamPort}`,
      OLLASCOPE_LISTEN: '127.0.0.1:0',
      OLLASCOPE_ADMIN_LISTEN: '127.0.0.1:0',
      OLLASCOPE_DRAIN_TIMEOUT: '0s',
      // Who may ask is a subject of its own.
      OLLASCOPE_ALLOWED_HOSTS: '*',
      OLLASCOPE_ALLOWED_ORIGINS: '*',
      // What else this machine has is no business of most tests.
      OLLASCOPE_COLLECTORS: 'ollama',
      ...env,
    },
    (path) => readFileSync(path, 'utf8'),
  )
  const log: LogLine[] = []
  const written = new EventTarget()
  const logger = pino(
    { base: null, formatters: { level: (label) => ({ level: label }) } },
    {
      write(line: string) {
        log.push(JSON.parse(line) as LogLine)
        written.dispatchEvent(new Event('line'))
      },
    },
  )
  const version = { version: '0.0.0-test', revision: 'test' }
  const app = createApp(
    config,
    {
      logger,
      version,
      nodeVersion: '0.0.0',
      now: () => performance.now(),
      wallClock: Date.now,
      machineName: 'test-machine',
      maxConnections,
      env: process.env,
    },
    role,
  )
  const { proxy, admin } = await app.start()
  const adminUrl = `http://127.0.0.1:${admin.port}`
  const receipts = () => log.filter(({ msg }) => msg === 'request')
  return {
    proxyPort: proxy?.port ?? 0,
    adminPort: admin.port,
    proxyUrl: `${config.tls === undefined ? 'http' : 'https'}://127.0.0.1:${proxy?.port ?? 0}`,
    adminUrl,
    log,
    async receipts(count) {
      while (receipts().length < count) await once(written, 'line')
      return receipts()
    },
    async samples() {
      return readSamples(await (await fetch(`${adminUrl}/metrics`)).text())
    },
    close: () => app.close(),
  }
}
