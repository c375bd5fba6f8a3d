import { constants } from 'node:fs'
import { access, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fieldsOf, listOf } from '../../collectors/docker/fields.ts'
import type { Reply } from '../ask.ts'
import { fail, messageOf, ok, skip, warn, type Check, type Result } from '../check.ts'
import type { Context } from '../context.ts'
import type { Status } from '../status.ts'

const START = 'ollascope serve    (or set OLLASCOPE_ADMIN_LISTEN to where it listens)'

export const admin: Check = {
  id: 'admin',
  title: 'Admin listener is ready',
  async run({ config, adminUrl, askAdmin }) {
    if (config.adminListen.port === 0) return skip('OLLASCOPE_ADMIN_LISTEN has port 0: where it listens is not known')
    const alive = await askAdmin('/healthz').catch((error: unknown) => messageOf(error))
    if (typeof alive === 'string') return fail(alive, START)
    if (alive.status !== 200 || statusIn(alive) !== 'ok')
      return fail(`what answers at ${adminUrl} is not Ollascope`, START)
    const ready = await askAdmin('/readyz')
    const reasons = reasonsIn(ready)
    const fix = `curl -s ${adminUrl}/status`
    if (ready.status !== 200) return fail(`/readyz is answered ${ready.status}: ${reasons}`, fix)
    return statusIn(ready) === 'ready' ? ok(`${adminUrl} is ready`) : warn(`${statusIn(ready)}: ${reasons}`, fix)
  },
}

function statusIn(reply: Reply): string {
  return String(fieldsIn(reply).status)
}

function reasonsIn(reply: Reply): string {
  const reasons = listOf(fieldsIn(reply).reasons)
  return reasons.length === 0 ? 'it does not say why' : reasons.join('; ')
}

function fieldsIn(reply: Reply) {
  try {
    return fieldsOf(reply.json())
  } catch {
    return {}
  }
}

/** A sample of the text format. */
const SAMPLE = /^[A-Za-z_:][\w:]*(?:\{(?:[A-Za-z_]\w*="(?:[^"\\\n]|\\.)*",?)*\})? (?:NaN|[+-]Inf|[-+\d.eE]+)(?: \d+)?$/

export const metrics: Check = {
  id: 'metrics',
  title: 'Metrics scrape',
  async run({ config, collector, adminUrl, askAdmin, askCollector, status }) {
    const lines = await scrape(adminUrl, askAdmin).catch((error: unknown) => fail(messageOf(error), START))
    if (!Array.isArray(lines)) return lines
    const role = await status().then(
      (one) => one.role,
      () => 'unknown',
    )
    const theirs =
      role === 'proxy' && (await scrape(collector.url, askCollector).catch(() => `${collector.url} does not answer`))
    // The check of the collectors tells where it is.
    if (typeof theirs === 'string')
      return ok(`${lines.length} samples of a proxy; ollama_up is the collector's to say, and ${theirs}`)
    if (theirs !== false && !Array.isArray(theirs)) return theirs
    const all = theirs === false ? lines : [...lines, ...theirs]
    const up = all.find((line) => /^ollama_up[ {]/.test(line))
    if (up?.endsWith(' 1') === true) return ok(`${all.length} samples, ollama_up is 1`)
    if (up !== undefined)
      return fail('ollama_up is 0: Ollama does not answer the collector', `curl -i ${config.upstream.url}/api/version`)
    return fail(
      'ollama_up is missing: the collector of Ollama is off or fails',
      'set OLLASCOPE_COLLECTORS=auto    (and look at the log)',
    )
  },
}

/** The samples that an admin listener has, or what is wrong with them. Rejects where it does not answer. */
async function scrape(origin: string, askFor: Context['askAdmin']): Promise<string[] | Result> {
  const reply = await askFor('/metrics')
  const url = `${origin}/metrics`
  if (reply.status === 401)
    return fail(`${url} refuses this token`, 'set OLLASCOPE_ADMIN_TOKEN to that of the running one')
  if (reply.status !== 200) return fail(`${url} is answered ${reply.status}`, `curl -i ${url}`)
  const lines = reply.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const bad = lines.find((line) => !SAMPLE.test(line))
  if (bad === undefined) return lines
  return fail(`${url} has a line that is no sample: ${bad.slice(0, 80)}`, `curl -s ${url} | promtool check metrics`)
}

export const collectors: Check = {
  id: 'collectors',
  title: 'Collectors work',
  async run(context) {
    const { status, collection, collector, adminUrl } = context
    try {
      const isApart = (await status()).role === 'proxy'
      const found = await collection().catch((error: unknown) => messageOf(error))
      if (typeof found !== 'string')
        return judgeCollectors(found, isApart ? collector.url : adminUrl, context.config.collect.collectors ?? [])
      const detail = `the collector, which is a process of its own, does not tell: ${found}`
      if (!collector.given) return skip(`${detail}; --collector URL says where it is`)
      return fail(detail, `curl -i ${collector.url}/status    (OLLASCOPE_ADMIN_LISTEN of the collector)`)
    } catch (error) {
      // Without the admin listener nothing is known: that is a failure of its own check alone.
      return skip(`the admin listener does not tell: ${messageOf(error)}`)
    }
  },
}

function judgeCollectors({ collectors: all }: Status, url: string, asked: readonly string[]): Result {
  const failing = all.filter(({ status }) => status === 'failing')
  const absent = all.filter(({ name, status }) => status === 'absent' && asked.includes(name))
  const fix = `curl -s ${url}/status    (and docs/collectors.md: what each needs)`
  if (failing.length > 0) return fail(failing.map(told).join('; '), fix)
  if (absent.length > 0) return warn(`asked for, and not there: ${absent.map(told).join('; ')}`, fix)
  if (all.every(({ status }) => status === 'off'))
    return warn('all collectors are off', 'set OLLASCOPE_COLLECTORS=auto')
  return ok(all.map(({ name, status }) => `${name} ${status}`).join(', '))
}

function told({ name, message }: Status['collectors'][number]): string {
  return `${name}: ${message}`
}

export const stateDir: Check = {
  id: 'state-dir',
  title: 'State folder is writable',
  async run({ config: { stateDir: folder } }) {
    if (folder === undefined)
      return skip(
        'OLLASCOPE_STATE_DIR is not set: a restart forgets that a GPU was seen, and which OOM kills are counted',
      )
    const there = await nearest(folder)
    const fix = `sudo install -d -o "$(id -u)" ${folder}    (or mount it writable)`
    try {
      if (there === folder) await tryWriting(folder)
      else await access(there, constants.W_OK)
      return ok(there === folder ? folder : `${folder} is not there yet, and can be made`)
    } catch (error) {
      return fail(`nothing can be written in ${there}: ${messageOf(error)}`, fix)
    }
  },
}

/** The folder, else the first above it that there is: the rest is made when it is needed. */
async function nearest(folder: string): Promise<string> {
  const isThere = await access(folder).then(
    () => true,
    () => false,
  )
  return isThere || folder === '/' ? folder : nearest(dirname(folder))
}

/** A disk that is full, or a file system that is read-only, shows only so. */
async function tryWriting(folder: string): Promise<void> {
  const path = join(folder, `.ollascope-doctor-${process.pid}`)
  try {
    await writeFile(path, 'a line that doctor wrote\n')
  } finally {
    await rm(path, { force: true }).catch(() => undefined)
  }
}
