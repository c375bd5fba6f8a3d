import { parseArgs } from 'node:util'
import type { Role } from './app.ts'
import { StartError } from './listen.ts'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'
import { readVersion } from './version.ts'

/** Gives its exit code; what is no number is 0. */
type Command = (argv: string[], terminal: Terminal) => unknown

// Each command is loaded when it is called: `healthcheck` is started every few seconds, and needs next to nothing.
const help: Command = async (_argv, { stdout }) => stdout((await import('./help.ts')).helpText())
const version: Command = (_argv, { stdout, nodeVersion }) => {
  const { version, revision } = readVersion()
  stdout(`ollascope ${version} (${revision}), Node ${nodeVersion}\n`)
}

const serveAs =
  (role: Role): Command =>
  (argv, terminal) =>
    withoutArguments(role, argv, terminal, async () => (await import('./commands/serve.ts')).serve(terminal, role))

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: serveAs('serve'),
  proxy: serveAs('proxy'),
  collector: serveAs('collector'),
  'check-config': (argv, terminal) =>
    withoutArguments('check-config', argv, terminal, async () =>
      (await import('./commands/check-config.ts')).checkConfig(terminal),
    ),
  demo: async (argv, terminal) =>
    (await import('./demo/command.ts')).runDemo(argv, {
      stdout: (line) => terminal.stdout(`${line}\n`),
      signal: terminal.stop,
    }),
  doctor: async (argv, terminal) => (await import('./commands/doctor.ts')).doctor(argv, terminal),
  bench: async (argv, terminal) => (await import('./commands/bench.ts')).bench(argv, terminal),
  healthcheck: async (argv, terminal) => (await import('./commands/healthcheck.ts')).healthcheck(argv, terminal),
  help,
  '--help': help,
  '-h': help,
  '--version': version,
  '-v': version,
}

/** Runs one command. @returns the exit code: 0, 1 for a failure, 2 for a mistake in the call or the configuration. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const code = await dispatch(argv, terminal)
    return typeof code === 'number' ? code : 0
  } catch (error) {
    const { ConfigError } = await import('./config.ts')
    if (error instanceof ConfigError) {
      terminal.stderr(`ollascope: ${count(error.problems.length)} in the configuration:\n`)
      for (const problem of error.problems) terminal.stderr(`  ${problem}\n`)
      return 2
    }
    if (error instanceof UsageError) {
      terminal.stderr(`ollascope: ${error.message}; see ollascope --help\n`)
      return 2
    }
    if (error instanceof StartError) {
      terminal.stderr(`${error.message}\n`)
      return 1
    }
    throw error
  }
}

function dispatch(argv: readonly string[], terminal: Terminal): unknown {
  const [first = 'serve', ...rest] = argv
  const command = rest.includes('--version') ? version : COMMANDS[first]
  if (command === undefined) throw new UsageError(`there is no command "${first}"`)
  return command(rest, terminal)
}

function withoutArguments(name: string, argv: string[], terminal: Terminal, command: () => Promise<void>) {
  const { values } = parse(name, argv)
  return values.help === true ? help(argv, terminal) : command()
}

function parse(name: string, argv: string[]) {
  try {
    return parseArgs({ args: argv, options: { help: { type: 'boolean', short: 'h' } } })
  } catch {
    throw new UsageError(`"${name}" takes no arguments: settings come from the environment`)
  }
}

function count(problems: number): string {
  return problems === 1 ? '1 mistake' : `${problems} mistakes`
}
