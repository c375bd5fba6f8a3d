import { fieldsOf, listOf, textOf, type Fields } from '../../collectors/docker/fields.ts'
import { ask, NoReply } from '../ask.ts'
import { fail, messageOf, ok, skip, warn, type Check, type Result } from '../check.ts'
import type { Context, Place } from '../context.ts'

/** Without these, nobody is woken; docs/runbooks has a page for each. */
export const PAGING = [
  'OllamaErrorBudgetBurn',
  'OllamaDown',
  'OllascopeDown',
  'OllascopeAbsent',
  'OllamaCPUFallback',
  'OllamaGPUMissing',
  'OllamaContainerOOMKilled',
  'OllamaOutOfMemoryErrors',
  'OllamaRunnerCrashing',
  'OllamaWedged',
  'OllamaQueueSaturated',
  'OllamaGPUUncorrectableECC',
] as const

/** The job by which Ollascope is scraped: rules and dashboards count on it. */
const JOB = 'ollascope'

export const prometheusRules: Check = {
  id: 'prometheus-rules',
  title: 'Prometheus has the rules',
  run: (context) =>
    askPrometheus(context, '/api/v1/rules?type=alert', ({ groups }) => {
      const rules = listOf(groups).flatMap((group) => listOf(fieldsOf(group).rules).map(fieldsOf))
      const names = new Set(rules.map(({ name }) => textOf(name)))
      const missing = PAGING.filter((name) => !names.has(name))
      const fix =
        'promtool check config prometheus.yml    (rule_files must name the rules of Ollascope); then reload Prometheus'
      if (missing.length > 0) return fail(`alerts are missing: ${missing.join(', ')}`, fix)
      const broken = rules.find(({ health }) => health === 'err')
      if (broken === undefined) return ok(`${names.size} alerts, also all that page`)
      return fail(`the alert ${String(broken.name)} cannot be evaluated: ${String(broken.lastError)}`, fix)
    }),
}

export const prometheusTargets: Check = {
  id: 'prometheus-targets',
  title: 'Prometheus scrapes both',
  run: (context) =>
    askPrometheus(context, '/api/v1/targets?state=active', ({ activeTargets }) => {
      const targets = listOf(activeTargets)
        .map(fieldsOf)
        .filter(({ labels }) => fieldsOf(labels).job === JOB)
      const fix = `prometheus.yml: a job "${JOB}" with the admin listeners as targets, each with its label component; then reload`
      if (targets.length === 0) return fail(`no target has the job "${JOB}"`, fix)
      const down = targets.filter(({ health }) => health !== 'up')
      if (down.length > 0) {
        const [first = {}] = down
        return fail(
          down.map(describe).join('; '),
          `curl -i ${textOf(first.scrapeUrl) ?? 'http://127.0.0.1:9435/metrics'}`,
        )
      }
      const components = new Set(targets.map(({ labels }) => textOf(fieldsOf(labels).component) ?? 'none'))
      const missing = components.has('serve') ? [] : ['proxy', 'collector'].filter((one) => !components.has(one))
      if (missing.length > 0) return fail(`no target has the label component="${missing.join('" or "')}"`, fix)
      return ok(`${targets.length} up: ${[...components].join(', ')}`)
    }),
}

function describe({ scrapeUrl, health, lastError }: Fields): string {
  const why = textOf(lastError) ?? 'it was not scraped yet'
  return `${textOf(scrapeUrl) ?? 'a target'} is ${textOf(health) ?? 'unknown'}: ${why}`
}

export const alertmanager: Check = {
  id: 'alertmanager',
  title: 'Alertmanager gets the alerts',
  async run(context) {
    const knows = await askPrometheus(context, '/api/v1/alertmanagers', ({ activeAlertmanagers }) => {
      const urls = listOf(activeAlertmanagers).map((one) => textOf(fieldsOf(one).url) ?? '')
      const fix = 'prometheus.yml: alerting.alertmanagers must name one; then reload Prometheus'
      return urls.length === 0
        ? fail('Prometheus knows no Alertmanager: alerts reach nobody', fix)
        : ok(urls.join(', '))
    })
    if (knows.status === 'fail') return knows
    const { url, given } = context.alertmanager
    const isWanted = given || knows.status === 'ok'
    const start = `docker compose up -d alertmanager    (elsewhere: --alertmanager URL)`
    try {
      const reply = await ask(new URL('/-/ready', url).href, { signal: context.deadline() })
      if (reply.status !== 200) return fail(`${url} is not ready (${reply.status})`, start)
      return knows.status === 'ok'
        ? ok(`${url} is ready, and Prometheus sends to ${knows.detail}`)
        : ok(`${url} is ready`)
    } catch (error) {
      // It may be where only Prometheus gets to.
      if (!isWanted) return skip(messageOf(error))
      return given
        ? fail(messageOf(error), start)
        : warn(`Prometheus knows one (${knows.detail}); from here ${messageOf(error)}`, start)
    }
  },
}

/** Where nobody listens and nobody said that somebody does, there is nothing to judge. */
async function askPrometheus(
  { prometheus, deadline }: Context,
  path: string,
  judge: (data: Fields) => Result,
): Promise<Result> {
  const fix = `curl -i ${new URL(path, prometheus.url).href}    (elsewhere: --prometheus URL)`
  try {
    const reply = await ask(new URL(path, prometheus.url).href, { signal: deadline() })
    const { status, data } = reply.status === 200 ? fieldsOf(reply.json()) : {}
    if (status === 'success') return judge(fieldsOf(data))
    return other(prometheus, `${prometheus.url} does not answer as Prometheus does (${reply.status})`, fix)
  } catch (error) {
    if (error instanceof NoReply && error.reason !== 'refused' && error.reason !== 'other')
      return fail(error.message, fix)
    return other(prometheus, messageOf(error), fix)
  }
}

function other({ given }: Place, why: string, fix: string): Result {
  return given ? fail(why, fix) : skip(`${why}: --prometheus URL says where it is`)
}
