import { settingsTable } from './config.ts'

const COMMANDS = `ollascope <command>: see what Ollama does

  serve          proxy, collectors and admin listener in one process (the default)
  proxy          the proxy and its admin listener only: parses what users send, needs no privileges
  collector      the collectors and their admin listener only: sees GPU, containers and host
  demo           a stand-in Ollama that answers with recorded traffic; --traffic URL sends a mixed load (demo --help)
  check-config   print what it would run with, secrets masked; every mistake at once
  doctor         check a deployment end to end; exit 1 where something failed (doctor --help)
  healthcheck    ask the admin listener whether it lives; --ready: whether a request would be served
  bench          what a model here does: tokens/s, time to first token, GPU share (bench --help)

  --help, --version

Point an app at the proxy (OLLAMA_BASE_URL=http://127.0.0.1:11435) and Prometheus at http://127.0.0.1:9435/metrics.

Settings come from the environment:
`

/** The text of `ollascope --help`, with the settings that this version knows. */
export function helpText(): string {
  const width = Math.max(...settingsTable.map(({ variable }) => variable.length))
  const lines = settingsTable.map((row) => {
    const fallback = row.default === '' ? 'none' : row.default
    return `  ${row.variable.padEnd(width)}  ${row.meaning} (default: ${fallback})`
  })
  return `${COMMANDS}${lines.join('\n')}\n`
}
