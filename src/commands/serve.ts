import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createApp, type Role } from '../app.ts'
import { loadConfig } from '../config.ts'
import { formatAddress } from '../listen.ts'
import { createLogger } from '../logger.ts'
import { readVersion } from '../version.ts'
import type { Terminal } from '../terminal.ts'

const STDOUT = 1
/** For logs, the admin listener and what else is no proxied connection. Of the rest, each exchange needs two. */
const RESERVED_FILES = 64
/** How long exchanges may go on behind an error that nobody caught: what else it broke, nobody knows. */
const CRASH_GRACE_MS = 5000
/** How long the last log lines may take to leave. */
const FLUSH_MS = 1000

/** `ollascope serve`, `proxy` and `collector`: runs until it is told to stop, then lets the running exchanges end. */
export async function serve(terminal: Terminal, role: Role): Promise<void> {
  const { env, stop, isTerminal, nodeVersion, machineName, maxOpenFiles } = terminal
  const config = loadConfig(env, (path) => readFileSync(path, 'utf8'))
  const { format, level } = config.log
  const { logger, flush } = createLogger({
    level,
    format: format === 'auto' ? (isTerminal ? 'pretty' : 'json') : format,
    fd: STDOUT,
    onDrop: () => app.countDroppedLine(),
  })
  const version = readVersion()
  const app = createApp(
    config,
    {
      logger,
      version,
      nodeVersion,
      now: () => performance.now(),
      wallClock: Date.now,
      machineName,
      maxConnections: maxOpenFiles === undefined ? undefined : roomFor(maxOpenFiles),
      env,
    },
    role,
  )
  let graceMs = config.drainTimeoutMs
  terminal.onUncaught((err) => {
    app.countUncaught()
    graceMs = Math.min(graceMs, CRASH_GRACE_MS)
    logger.fatal({ err }, 'an error that nobody caught: this process ends; please report it')
  })
  const { proxy, admin } = await app.start()
  logger.info(
    {
      version: version.version,
      ...(proxy && { proxy: `http://${formatAddress(proxy)}` }),
      admin: `http://${formatAddress(admin)}`,
      upstream: config.upstream.url,
      ...(proxy && config.traces && { traces: config.traces.url }),
    },
    proxy === undefined
      ? 'ollascope collects: point Prometheus at the admin listener'
      : 'ollascope is ready: point OLLAMA_BASE_URL at the proxy, and a browser at the admin listener',
  )
  if (!stop.aborted) await once(stop, 'abort')
  logger.info({ drain_seconds: graceMs / 1000 }, 'stopping: running exchanges may end')
  await app.close(graceMs)
  logger.info('stopped')
  await flush(FLUSH_MS)
}

/** How many connections fit, so that the admin listener still gets one where the proxy is full. */
function roomFor(maxOpenFiles: number): number {
  return Math.max(1, Math.floor((maxOpenFiles - RESERVED_FILES) / 2))
}
