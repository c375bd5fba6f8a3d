#!/usr/bin/env node
// The process and nothing else: its Node, arguments, environment, signals and exit code. No static import stands here,
// so that an old Node gets as far as the line that says so.
const [major = 0, minor = 0, patch = 0] = process.versions.node.split('.').map(Number)
// 23 and 25 ended without the fix of CVE-2026-58044, which hides a Content-Length; 26 has it from 26.5.1 on.
const supported =
  major > 26 ||
  (major === 26 && (minor > 5 || (minor === 5 && patch >= 1))) ||
  (major === 24 && minor >= 21) ||
  (major === 22 && (minor > 23 || (minor === 23 && patch >= 3)))

if (!supported) {
  process.stderr.write(
    `ollascope: needs Node 22.23.3 or later of 22, 24.21.0 of 24, or 26.5.1 or later, and this is ${process.version}; ` +
      'in a checkout, scripts/ollascope brings its own\n',
  )
  process.exitCode = 1
} else {
  const { hostname } = await import('node:os')
  const { run } = await import('./cli.ts')
  const { readMaxOpenFiles } = await import('./open-files.ts')
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The second signal means it: at once, with the code that a shell expects of a killed process.
      if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
      stop.abort()
    })
  }
  // What nobody caught is told to whoever serves, and ends the process cleanly; where nobody serves, it ends at once.
  const uncaught: unknown[] = []
  let tell: ((error: unknown) => void) | undefined
  const fail = (error: unknown): void => {
    uncaught.push(error)
    if (tell === undefined) {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      process.exit(1)
    }
    tell(error)
    stop.abort()
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  const code = await run(process.argv.slice(2), {
    env: process.env,
    stop: stop.signal,
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    isTerminal: process.stdout.isTTY,
    nodeVersion: process.versions.node,
    machineName: hostname(),
    maxOpenFiles: readMaxOpenFiles(),
    onUncaught: (listener) => (tell = listener),
  })
  process.exitCode = uncaught.length > 0 ? 1 : code
  // What is left open (a keep-alive connection to the upstream, a log that nobody reads) must not keep the process.
  process.exit()
}
