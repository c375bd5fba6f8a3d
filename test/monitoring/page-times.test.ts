import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { ROOT } from '../helpers/process.ts'
import { secondsOf } from './shortened.ts'

const read = (path: string): unknown => parse(readFileSync(join(ROOT, 'prometheus', path), 'utf8'))

interface Route {
  readonly receiver: string
  readonly group_wait?: string
}

const { global } = read('prometheus.yml') as { global: { scrape_interval: string; evaluation_interval: string } }
const { route } = read('alertmanager.yml') as { route: { routes: readonly Route[] } }
const { groups } = read('rules/alerts.yml') as {
  groups: readonly { interval?: string; rules: readonly { alert: string; for?: string }[] }[]
}

/** OLLASCOPE_COLLECT_INTERVAL, and that of OOM kills, which are counted each second. */
it.each([
  ['OllamaCPUFallback', '10s'],
  ['OllamaContainerOOMKilled', '1s'],
])('%s reaches the pager within two minutes of its cause, as shipped', (alertname, measured) => {
  const group = groups.find(({ rules }) => rules.some(({ alert }) => alert === alertname))
  const rule = group?.rules.find(({ alert }) => alert === alertname)
  const pager = route.routes.find(({ receiver }) => receiver === 'pager')
  const waits = [
    measured,
    global.scrape_interval,
    group?.interval ?? global.evaluation_interval,
    rule?.for ?? '0s',
    // What has waited is seen at the next evaluation.
    rule?.for === undefined ? '0s' : (group?.interval ?? global.evaluation_interval),
    pager?.group_wait ?? '30s',
  ]
  expect(rule).toBeDefined()
  const worst = waits.map(secondsOf).reduce((sum, seconds) => sum + seconds, 0)
  expect(worst).toBeLessThan(120)
  expect(worst).toBeGreaterThan(10)
})
