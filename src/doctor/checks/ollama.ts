import { fullModelName } from '../../ollama/model-name.ts'
import { ask, NoReply, type Reply } from '../ask.ts'
import { fail, messageOf, ok, skip, warn, type Check } from '../check.ts'
import { parseModels } from '../models.ts'

/** Ollama itself, without the proxy. */
export const upstream: Check = {
  id: 'upstream',
  title: 'Ollama answers',
  async run({ config, upstream: find, askUpstream }) {
    const { url, container, stopped } = await find()
    if (stopped !== undefined)
      return fail(
        `container ${stopped.name} is ${stopped.state}`,
        `docker logs --tail 50 ${stopped.name}; docker start ${stopped.name}`,
      )
    const start = `ollama serve    (or docker start ollama; elsewhere: set OLLASCOPE_UPSTREAM)`
    const reply = await askUpstream('/api/tags').catch((error: unknown) => messageOf(error))
    if (typeof reply === 'string') return fail(reply, start)
    if (container !== undefined && [401, 403].includes(reply.status)) {
      return skip(`${container} publishes no port, and the proxy lets nobody in who has no token (${reply.status})`)
    }
    if (reply.status !== 200) return fail(`${url}/api/tags is answered ${reply.status}`, `curl -i ${url}/api/tags`)
    let names: string[]
    try {
      names = parseModels(reply.json()).map(({ name }) => name)
    } catch {
      return fail(`what answers at ${url} is no Ollama`, 'set OLLASCOPE_UPSTREAM to where Ollama is')
    }
    const wanted = config.ollamaModel && fullModelName(config.ollamaModel)
    if (wanted !== undefined && !names.includes(wanted)) {
      return fail(
        `the model ${wanted} (OLLAMA_MODEL) is not there; there are ${listed(names)}`,
        `ollama pull ${wanted}`,
      )
    }
    if (names.length === 0) return warn(`${url} answers, and has no model`, 'ollama pull llama3.2:1b')
    const by = container === undefined ? '' : ` (the proxy: container ${container} publishes no port)`
    return ok(`${url}${by} has ${listed(names)}`)
  },
}

function listed(names: readonly string[]): string {
  const some = names.slice(0, 5).join(', ')
  return names.length === 0 ? 'none' : names.length > 5 ? `${some} and ${names.length - 5} more` : some
}

/** What a proxy may change: its own id, and what belongs to one connection. */
const OWN = new Set(['x-request-id', 'connection', 'keep-alive', 'transfer-encoding', 'date'])

/** The way that apps take. */
export const proxy: Check = {
  id: 'proxy',
  title: 'Proxy adds nothing',
  async run({ config, proxyUrl, adminUrl, upstream: find, askUpstream, deadline, status }) {
    const role = await status().then(
      (one) => one.role,
      () => undefined,
    )
    if (role === 'collector') return skip('a collector answers on the admin listener: it has no proxy')
    if (config.listen.port === 0) return skip('OLLASCOPE_LISTEN has port 0: where it listens is not known')
    if (config.tls?.clientCa !== undefined)
      return skip(`${proxyUrl} asks for a client's certificate, and doctor has none`)
    const url = `${proxyUrl}/api/version`
    const start = 'ollascope serve    (or correct OLLASCOPE_LISTEN)'
    const through = await ask(url, { signal: deadline() }).catch((error: unknown) => {
      if (error instanceof NoReply) return error
      throw error
    })
    if (through instanceof NoReply) {
      // The admin listener answers, so the proxy is there.
      return through.reason === 'timeout' && role !== undefined
        ? fail(`${through.message}: it waits for Ollama`, `curl -s ${adminUrl}/status    (and look at Ollama's log)`)
        : fail(through.message, start)
    }
    if (through.header('x-request-id') === undefined) {
      return fail(`what answers at ${proxyUrl} is not Ollascope: there is no X-Request-ID`, start)
    }
    if ([401, 403, 421, 429].includes(through.status)) {
      return ok(
        `${proxyUrl} answers, and refuses whom it shall (${through.status}): what it passes on was not compared`,
      )
    }
    if (through.status >= 500) return fail(`${url} is answered ${through.status}: ${brief(through)}`, `curl -i ${url}`)
    const { url: ollama, container } = await find()
    if (container !== undefined)
      return ok(`${proxyUrl} answers; nothing to compare with, since container ${container} publishes no port`)
    const direct = await askUpstream('/api/version').catch((error: unknown) => messageOf(error))
    if (typeof direct === 'string') return skip(`nothing to compare with: ${direct}`)
    const differences = compare(through, direct)
    if (differences.length === 0) return ok(`${url} is what Ollama says, byte for byte`)
    const fix = `diff <(curl -si ${ollama}/api/version) <(curl -si ${url})`
    return fail(`${url} differs from Ollama's own answer in ${differences.join(', ')}`, fix)
  },
}

function brief({ text }: Reply): string {
  return text.trim().slice(0, 200)
}

/** What is not the same. */
function compare(through: Reply, direct: Reply): string[] {
  const [one, other] = [fieldsOf(through), fieldsOf(direct)]
  const names = new Set([...one.keys(), ...other.keys()])
  return [
    ...(through.status === direct.status ? [] : ['status']),
    ...[...names].filter((name) => one.get(name) !== other.get(name)),
    ...(through.body.equals(direct.body) ? [] : ['body']),
  ]
}

function fieldsOf({ rawHeaders }: Reply): Map<string, string> {
  const fields = new Map<string, string>()
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase()
    if (!OWN.has(name))
      fields.set(name, [...(fields.has(name) ? [fields.get(name)] : []), rawHeaders[index + 1]].join('\n'))
  }
  return fields
}
