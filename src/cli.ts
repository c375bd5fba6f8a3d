import { parseArgs } from 'node:util'
import { checkConfig } from './commands/check-config.ts'
import { serve } from './commands/serve.ts'
import { ConfigError } from './config.ts'
import { runDemo } from './demo/command.ts'
import { helpText } from './help.ts'
import { StartError } from './listen.ts'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'
import { readVersion } from './version.ts'

type Command = (argv: string[], terminal: Terminal) => Promise<void> | void

const help: Command = (_argv, { stdout }) => stdout(helpText())
const version: Command = (_argv, { stdout, nodeVersion }) => {
  const { version, revision } = readVersion()
  stdout(`ollascope ${version} (${revision}), Node ${nodeVersion}\n`)
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: (argv, terminal) => withoutArguments('serve', argv, terminal, (it) => serve(it, 'serve')),
  proxy: (argv, terminal) => withoutArguments('proxy', argv, terminal, (it) => serve(it, 'proxy')),
  collector: (argv, terminal) => withoutArguments('collector', argv, terminal, (it) => serve(it, 'collector')),
  'check-config': (argv, terminal) => withoutArguments('check-config', argv, terminal, checkConfig),
  demo: (argv, terminal) => runDemo(argv, { stdout: (line) => terminal.stdout(`${line}\n`), signal: terminal.stop }),
  help,
  '--help': help,
  '-h': help,
  '--version': version,
  '-v': version,
}
const LATER = new Set(['doctor', 'healthcheck', 'bench'])

/** Runs one command. @returns the exit code: 0, 1 for a failure, 2 for a mistake in the call or the configuration. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await dispatch(argv, terminal)
    return 0
  } catch (error) {
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

async function dispatch(argv: readonly string[], terminal: Terminal): Promise<void> {
  const [first = 'serve', ...rest] = argv
  const command = rest.includes('--version') ? version : COMMANDS[first]
  if (command !== undefined) await command(rest, terminal)
  else if (LATER.has(first)) throw new UsageError(`the command "${first}" is not there yet in this version`)
  else throw new UsageError(`there is no command "${first}"`)
}

function withoutArguments(
  name: string,
  argv: string[],
  terminal: Terminal,
  command: (terminal: Terminal) => Promise<void> | void,
) {
  const { values } = parse(name, argv)
  if (values.help === true) return help(argv, terminal)
  return command(terminal)
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
