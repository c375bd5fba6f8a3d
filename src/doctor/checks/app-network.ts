import { fieldsOf, listOf, textOf, type Fields } from '../../collectors/docker/fields.ts'
import { isLoopback, parseListen, type Address } from '../../config/parsers.ts'
import { formatAddress } from '../../listen.ts'
import { fail, ok, skip, warn, type Check, type Result } from '../check.ts'
import type { Context } from '../context.ts'
import { variableOf, type DockerAnswers, type SeenContainer } from '../docker.ts'
import { lastWords, runIn } from '../exec.ts'
import { withDocker } from './docker.ts'

/** What an app in a container does: it knows the proxy by a name that only Docker's networks know. */
export const appNetwork: Check = {
  id: 'app-network',
  title: "Proxy in the apps' network",
  run: (context) =>
    withDocker(context, (docker) => {
      const container = findProxy(docker.others)
      if (container !== undefined) return look(context, docker, container)
      return skip(`no container of Ollascope here: ${byHand('http://host.docker.internal:11435')}`)
    }),
}

const SERVICE = 'com.docker.compose.service'

/** How the proxy is known, the surest sign first. */
const SIGNS: readonly ((container: SeenContainer) => boolean)[] = [
  ({ listed: { labels } }) => labels[SERVICE] === 'ollascope' && labels['com.docker.compose.oneoff'] !== 'True',
  ({ listed: { name } }) => name === 'ollascope',
  ({ inspected: { Path, Args } }) =>
    /\b(ollascope|main\.[jt]s) (proxy|serve)\b/.test([Path, ...listOf(Args)].map((one) => textOf(one) ?? '').join(' ')),
]

function findProxy(containers: readonly SeenContainer[]): SeenContainer | undefined {
  const found = SIGNS.map((bears) => containers.filter(bears)).find(({ length }) => length > 0) ?? []
  return found.find(({ state }) => state === 'running') ?? found[0]
}

/** What a person can type. */
function byHand(url: string): string {
  return `docker exec APP wget -qO- ${url}/api/tags`
}

async function look(context: Context, docker: DockerAnswers, container: SeenContainer): Promise<Result> {
  const { name } = container.listed
  const way = wayTo(container)
  const { address, url, host, networks } = way
  if (address.port === 0) return skip(`OLLASCOPE_LISTEN has port 0 in ${name}: where it listens is not known`)
  if (fieldsOf(container.inspected.HostConfig).NetworkMode === 'host')
    return skip(`${name} is on the host's network: curl http://localhost:${address.port}/api/tags`)
  if (networks.length === 0)
    return skip(
      `${name} is on no network that has names: docker network create front; docker network connect front ${name}`,
    )
  if (variableOf(container, 'OLLASCOPE_TLS_CLIENT_CA_FILE') !== undefined)
    return skip(`${url} asks for a client's certificate, and doctor has none: ${byHand(url)}`)
  // It gives up a little before its answer would come too late.
  const question = { host, port: address.port, secure: url.startsWith('https'), ms: 0.8 * context.timeoutMs }
  const ran = await runIn(docker, container, ['node', '-e', SCRIPT, JSON.stringify(question)])
  if (ran.kind === 'not-run') return skip(`${ran.because}: ${byHand(url)}`)
  if (ran.kind === 'late') return fail(`${url} does not answer in time in ${networks.join(', ')}`, logsOf(name))
  const found = parseFound(ran.ended.stdout)
  if (found === undefined) return skip(`${name} could not be asked (${lastWords(ran.ended)}): ${byHand(url)}`)
  return judgeFound(found, way)
}

interface Way {
  /** Of the container. */
  readonly name: string
  readonly address: Address
  readonly url: string
  /** What apps call it. */
  readonly host: string
  readonly networks: readonly string[]
  /** Those of them in which it is called otherwise. */
  readonly without: readonly string[]
}

/** Docker's own networks know no names. */
const NAMELESS = new Set(['bridge', 'podman', 'host', 'none'])

function wayTo(container: SeenContainer): Way {
  const { id, name, labels } = container.listed
  const parsed = parseListen(variableOf(container, 'OLLASCOPE_LISTEN') ?? '127.0.0.1:11435')
  const address = 'value' in parsed ? parsed.value : { host: '', port: 0 }
  const networks = Object.entries(fieldsOf(fieldsOf(container.inspected.NetworkSettings).Networks))
    .filter(([network]) => !NAMELESS.has(network))
    .map(([network, endpoint]) => ({ network, names: [...namesIn(fieldsOf(endpoint)), name] }))
  const [alias = name] = networks.flatMap(({ names }) => names).filter((one) => !id.startsWith(one))
  const host = textOf(labels[SERVICE]) ?? alias
  const scheme = variableOf(container, 'OLLASCOPE_TLS_CERT_FILE') === undefined ? 'http' : 'https'
  return {
    name,
    address,
    url: `${scheme}://${host}:${address.port}`,
    host,
    networks: networks.map(({ network }) => network),
    without: networks.filter(({ names }) => !names.includes(host)).map(({ network }) => network),
  }
}

/** What others in a network call a container, but for its own name. */
function namesIn({ Aliases, DNSNames }: Fields): readonly string[] {
  return [...listOf(Aliases), ...listOf(DNSNames)].flatMap((one) => textOf(one) ?? [])
}

/**
 * Asks in the container, and prints what came of it. Its names come from Docker's server, and not from its own
 * /etc/hosts, which no app has.
 */
const SCRIPT = `
const { host, port, secure, ms } = JSON.parse(process.argv[1])
const say = (found) => process.stdout.write(JSON.stringify(found), () => process.exit())
let step = 'resolve'
const failed = ({ code, message }) => say({ step, code: code || message })
setTimeout(failed, ms, { code: 'ETIMEDOUT' })
const resolver = new (require('dns').promises.Resolver)({ timeout: 1500, tries: 2 })
Promise.any([resolver.resolve4(host), resolver.resolve6(host)]).then(([address]) => {
  step = 'connect'
  const options = { host: address, port, path: '/api/tags', headers: { host: host + ':' + port } }
  const tls = { servername: host, rejectUnauthorized: false }
  require(secure ? 'https' : 'http').get({ ...options, ...tls }, (answer) => {
    let text = ''
    answer.setEncoding('utf8').on('data', (part) => { if (text.length < 4e6) text += part })
    answer.on('error', failed).on('end', () => {
      let models = -1
      try {
        const list = JSON.parse(text).models
        if (list === null || Array.isArray(list)) models = list?.length ?? 0
      } catch {}
      say({ status: answer.statusCode, models, text: text.slice(0, 200) })
    })
  }).on('error', failed)
}, ({ errors }) => failed(errors[0]))
`

/** What the script prints. */
type Found =
  | { readonly step: 'resolve' | 'connect'; readonly code: string }
  /** Without a list of models, -1. */
  | { readonly status: number; readonly models: number; readonly text: string }

function parseFound(stdout: string): Found | undefined {
  let json: Fields
  try {
    json = fieldsOf(JSON.parse(stdout))
  } catch {
    return undefined
  }
  const { step, code, status, models, text } = json
  if (step === 'resolve' || step === 'connect') return { step, code: textOf(code) ?? '' }
  if (typeof status !== 'number' || typeof models !== 'number') return undefined
  return { status, models, text: textOf(text) ?? '' }
}

function logsOf(name: string): string {
  return `docker logs --tail 50 ${name}`
}

function judgeFound(found: Found, { name, address, url, host, networks, without }: Way): Result {
  const inThem = `in ${networks.join(', ')}`
  const [network = networks[0]] = without
  const rename = `docker network disconnect ${network} ${name}; docker network connect --alias ${host} ${network} ${name}`
  if ('step' in found) {
    if (found.step === 'resolve') return fail(`nobody knows the name ${host} ${inThem} (${found.code})`, rename)
    if (!isLoopback(address.host)) return fail(`nobody answers at ${url} ${inThem} (${found.code})`, logsOf(name))
    const detail = `${name} listens on ${formatAddress(address)} alone, where no other container comes`
    return fail(`${detail} (${url}: ${found.code})`, `set OLLASCOPE_LISTEN=:${address.port} in ${name}`)
  }
  const { status, models, text } = found
  if (status === 421) return fail(`${url} refuses the name ${host} (421)`, `add ${host} to OLLASCOPE_ALLOWED_HOSTS`)
  if (status === 200 && models < 0) return fail(`what answers at ${url} ${inThem} is no Ollama`, logsOf(name))
  const well = WELL.get(status)?.(models)
  if (well === undefined)
    return fail(`${url}/api/tags is answered ${status} ${inThem}: ${text.trim() || 'nothing'}`, logsOf(name))
  if (without.length > 0) return warn(`${url} answers, and ${without.join(', ')} knows no name ${host}`, rename)
  return ok(`${url} answers ${inThem}, ${well}`)
}

/** It is reached; whom it serves, it says itself. */
const WELL = new Map<number, (models: number) => string>([
  [200, (models) => `with ${models} models`],
  [401, () => 'and asks for a token (401)'],
  [429, () => 'and has had enough requests for now (429)'],
])
