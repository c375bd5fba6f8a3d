/**
 * `scripts/setup-model`: waits for Ollama, sees whether there is room, and pulls models through its API with a bar.
 */
import { askLines, reasonOf } from './ollama/ask.ts'
import {
  CallError,
  COMMON_USAGE,
  namesOf,
  readCall,
  runScript,
  targetOf,
  timeOf,
  waitForOllama,
} from './ollama/call.ts'
import { bar, createProgress } from './setup/progress.ts'
import { judge, roomHere } from './setup/room.ts'
import { formatBytes, sizeByName } from './setup/size.ts'

const USAGE = `Usage: scripts/setup-model [options] [MODEL...]

Waits for Ollama, checks disk and memory, and pulls the models (default OLLAMA_MODEL).

  --wait TIME         how long to wait for Ollama (default 2m)
  --store FOLDER      where Ollama keeps its models, if not where it usually does on this machine
  --remote            Ollama is on another machine: this one's disk and memory say nothing
  --force             pull also where the room seems to be too small
${COMMON_USAGE}
`

await runScript('setup-model', async () => {
  const { values, positionals } = readCall({
    wait: { type: 'string', default: '2m' },
    store: { type: 'string' },
    remote: { type: 'boolean', default: false },
    force: { type: 'boolean', default: false },
  })
  if (values.help === true) {
    console.log(USAGE)
    return 0
  }
  const models = namesOf(...(positionals.length > 0 ? positionals : [process.env.OLLAMA_MODEL]))
  if (models.length === 0) throw new CallError('no model: name one, or set OLLAMA_MODEL')
  const target = targetOf(values, process.env)
  console.log(`Ollama ${await waitForOllama(target, timeOf('wait', values.wait))} at ${target.url.origin}`)

  const checkRoom = (model: string, bytes: number) => {
    if (values.remote) return
    const { lacking, warning } = judge(bytes, roomHere(values.store, process.env))
    if (warning !== undefined) console.error(`${model} ${warning}`)
    if (lacking === undefined) return
    if (!values.force) throw new Error(`${model} ${lacking}; free some, or give --force`)
    console.error(`${model} ${lacking}`)
  }

  for (const model of models) {
    const guess = sizeByName(model)
    if (guess !== undefined) checkRoom(model, guess)
    console.log(`${model}: ${guess === undefined ? 'size unknown' : `about ${formatBytes(guess)}`}`)
    await pull(model, (total) => checkRoom(model, total))
  }
  return 0

  async function pull(model: string, onTotal: (bytes: number) => void): Promise<void> {
    const progress = createProgress()
    const show = createScreen()
    let total = 0
    let status = ''
    try {
      for await (const line of askLines(target, '/api/pull', { model, stream: true })) {
        const now = progress.add(line)
        // The sizes come a layer at a time, the weights first: to leave here ends the pull.
        if (now.total > total && now.completed < now.total) onTotal(now.total - now.completed)
        total = now.total
        status = now.status
        show(bar(now))
      }
    } catch (error) {
      throw new Error(`${model} could not be pulled: ${reasonOf(error)}`, { cause: error })
    }
    if (status !== 'success') throw new Error(`${model} could not be pulled: the answer ended at "${status}"`)
    console.log(`${process.stdout.isTTY ? '\n' : ''}${model} is there`)
  }
})

/** On a terminal one line that changes; elsewhere a line for each change of the first figures. */
function createScreen(): (text: string) => void {
  let last = ''
  return (text) => {
    if (process.stdout.isTTY) {
      process.stdout.write(`\r\u001b[K${text}`)
      return
    }
    const key = text.replace(/(\d) %.*$/, '0 %')
    if (key !== last) console.log(text)
    last = key
  }
}
