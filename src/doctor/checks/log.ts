import { open } from 'node:fs/promises'
import { Absent } from '../../collectors/collector.ts'
import { fieldsOf, textOf } from '../../collectors/docker/fields.ts'
import { fail, messageOf, ok, skip, warn, type Check, type Result } from '../check.ts'
import type { Context } from '../context.ts'
import { logText } from '../streams.ts'
import { expectsGpu, type Expectation } from '../gpus.ts'
import { readOllamaLog, type LogFacts } from '../ollama-log.ts'

const MAX_BYTES = 8 * 1024 * 1024

export const ollamaLog: Check = {
  id: 'ollama-log',
  title: "Ollama's log names a GPU",
  slow: true,
  async run(context) {
    // The line of the layers comes with a load.
    await context.loaded().catch(() => undefined)
    const text = context.ollamaLog === undefined ? await containerLog(context) : await fileEnd(context.ollamaLog)
    if (typeof text === 'object') return text
    return judgeLog(readOllamaLog(text), await expectsGpu(context))
  },
}

/** The last part of a file: what the newest start said. */
async function fileEnd(path: string): Promise<string | Result> {
  try {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(Math.min(size, MAX_BYTES)),
        0,
        null,
        Math.max(0, size - MAX_BYTES),
      )
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    return fail(
      `the log cannot be read: ${messageOf(error)}`,
      `ls -l ${path}    (native: journalctl -u ollama > ollama.log, then --ollama-log ollama.log)`,
    )
  }
}

/** The first part of what the container has said since its start. */
async function containerLog({ docker }: Context): Promise<string | Result> {
  const how = 'journalctl -u ollama > ollama.log; ollascope doctor --ollama-log ollama.log'
  try {
    const { ollama, get } = await docker()
    const container = ollama[0]
    if (container === undefined) return skip(`Ollama runs in no container here: ${how}`)
    const startedAt = Date.parse(textOf(fieldsOf(container.inspected.State).StartedAt) ?? '')
    const since = startedAt > 0 ? Math.floor(startedAt / 1000) : 0
    const reply = await get(`/containers/${container.listed.id}/logs?stdout=1&stderr=1&since=${since}`, MAX_BYTES)
    if (reply.status === 200) return logText(reply.body)
    return skip(
      `Docker does not give its log (${reply.status}): docker logs ollama > ollama.log 2>&1; ollascope doctor --ollama-log ollama.log`,
    )
  } catch (error) {
    return skip(`${error instanceof Absent ? 'no Docker here' : messageOf(error)}: ${how}`)
  }
}

const GPU_LIBRARIES = new Set(['cuda', 'rocm', 'metal', 'vulkan', 'oneapi'])

function judgeLog({ libraries, offloaded }: LogFacts, { expected, because }: Expectation): Result {
  if (libraries.length === 0 && offloaded === undefined) {
    return skip(
      'the log has no line "inference compute", nor one of offloaded layers: it begins behind the start, or is another\'s',
    )
  }
  const layers =
    offloaded === undefined
      ? 'no model was loaded since'
      : `offloaded ${offloaded.layers}/${offloaded.of} layers to GPU`
  const detail = `${libraries.length === 0 ? 'no line "inference compute"' : `library=${libraries.join(', ')}`}; ${layers}`
  if (!expected) return ok(`${detail} (${because})`)
  const fix = 'docker logs ollama 2>&1 | grep -iE "inference compute|offloaded|cuda|rocm"; then docker restart ollama'
  const isFound = libraries.some((library) => GPU_LIBRARIES.has(library))
  if (libraries.length > 0 && !isFound) return fail(`${detail}: Ollama found no GPU when it started`, fix)
  if (offloaded?.layers === 0) return fail(`${detail}: the model is on the CPU`, fix)
  if (offloaded !== undefined && offloaded.layers < offloaded.of) {
    return warn(`${detail}: the rest is on the CPU`, 'take a smaller model or quantisation, or a smaller num_ctx')
  }
  return ok(detail)
}
