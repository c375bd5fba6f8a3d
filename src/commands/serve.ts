import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { formatAddress } from '../listen.ts'
import { createLogger } from '../logger.ts'
import { readVersion } from '../version.ts'
import type { Terminal } from '../terminal.ts'

const STDOUT = 1
/** How long the last log lines may take to leave. */
const FLUSH_MS = 1000

/** `ollascope serve`: runs until it is told to stop, then lets the running exchanges end. */
export async function serve({ env, stop, isTerminal, nodeVersion }: Terminal): Promise<void> {
  const config = loadConfig(env, (path) => readFileSync(path, 'utf8'))
  const { format, level } = config.log
  const { logger, flush } = createLogger({
    level,
    format: format === 'auto' ? (isTerminal ? 'pretty' : 'json') : format,
    fd: STDOUT,
    onDrop: () => app.countDroppedLine(),
  })
  const version = readVersion()
  const app = createApp(config, { logger, version, nodeVersion, now: () => performance.now(), wallClock: Date.now })
  const { proxy, admin } = await app.start()
  logger.info(
    {
      version: version.version,
      proxy: `http://${formatAddress(proxy)}`,
      admin: `http://${formatAddress(admin)}`,
      upstream: config.upstream.url,
    },
    'ollascope is ready: point OLLAMA_BASE_URL at the proxy',
  )
  if (!stop.aborted) await once(stop, 'abort')
  logger.info({ drain_seconds: config.drainTimeoutMs / 1000 }, 'stopping: running exchanges may end')
  await app.close()
  logger.info('stopped')
  await flush(FLUSH_MS)
}
