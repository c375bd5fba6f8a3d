/**
 * `make run`: starts `serve`. Where no upstream is set and no Ollama answers at the usual place, a stand-in plays it
 * and sends traffic through the proxy, so that a newcomer sees every number move.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const OLLAMA = 'http://127.0.0.1:11434'
const LISTEN = '127.0.0.1:11435'
const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const children: ChildProcess[] = []

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' })
  children.push(child)
  return child
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(2000) })
    return true
  } catch {
    return false
  }
}

/** Where a listener on all interfaces is reached from here. */
function reachable(listen = ''): string {
  return (listen === '' ? LISTEN : listen).replace(/^(?:0\.0\.0\.0|\[::\])?:/, '127.0.0.1:')
}

// A terminal's Ctrl-C reaches the children by itself, and a second one would end them at once; a SIGTERM is handed on.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => {
  for (const child of children) child.kill('SIGTERM')
})

const wanted = process.env.OLLASCOPE_UPSTREAM ?? ''
if (wanted === '' && !(await answers(OLLAMA))) {
  console.log(`
  ==================================================================================================
   NO OLLAMA at ${OLLAMA}: a stand-in plays it, from recordings, and sends made-up traffic
   through the proxy. To see your own: start Ollama, or set OLLASCOPE_UPSTREAM, and run this again.
  ==================================================================================================
`)
  const demo = start('demo', '--traffic', `http://${reachable(process.env.OLLASCOPE_LISTEN)}`)
  while (demo.exitCode === null && !(await answers(OLLAMA))) await setTimeout(50)
}
const serve = start('serve')
const [code, signal] = (await once(serve, 'exit')) as [number | null, NodeJS.Signals | null]
for (const child of children) child.kill('SIGTERM')
process.exitCode = code ?? (signal === null ? 1 : 0)
