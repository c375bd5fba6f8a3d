import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { clock } from '../../src/doctor/checks/clock.ts'
import { alertmanager, PAGING, prometheusRules, prometheusTargets } from '../../src/doctor/checks/prometheus.ts'
import { describeWith } from '../helpers/needs.ts'
import { freePort } from '../helpers/ports.ts'
import { startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import { folderOfTest, NOWHERE, play, runCheck, silence } from './doctor-context.ts'
import { holding } from './doctor-matchers.ts'

const success = (data: object) => ({ status: 'success', data })
const at = (url: string, given = true) => ({ prometheus: { url, given } })

interface PlayedRule {
  readonly name: string
  readonly health?: string
  readonly lastError?: string
}

function rules(all: readonly PlayedRule[]) {
  return play({
    '/api/v1/rules': success({ groups: [{ name: 'g', rules: all.map((one) => ({ health: 'ok', ...one })) }] }),
  })
}

const allRules: readonly PlayedRule[] = PAGING.map((name) => ({ name }))

describe('prometheus-rules', () => {
  it('is ok with all that page', async () => {
    expect(await runCheck(prometheusRules, {}, at(await rules(allRules)))).toMatchObject({ status: 'ok' })
  })
  it('fails where one is missing, and names it', async () => {
    const url = await rules(allRules.filter(({ name }) => name !== 'OllamaCPUFallback'))
    expect(await runCheck(prometheusRules, {}, at(url))).toEqual({
      status: 'fail',
      detail: 'alerts are missing: OllamaCPUFallback',
      fix: holding('promtool check config'),
    })
  })
  it('fails where one cannot be evaluated', async () => {
    const url = await rules([...allRules, { name: 'OllamaHot', health: 'err', lastError: 'many-to-many' }])
    expect(await runCheck(prometheusRules, {}, at(url))).toMatchObject({
      status: 'fail',
      detail: holding('many-to-many'),
    })
  })
  it.each([
    ['is not there', () => Promise.resolve(NOWHERE)],
    ['is another', () => play({})],
  ])('where Prometheus %s: skips, and fails if somebody said that it is there', async (_what, start) => {
    const url = await start()
    expect(await runCheck(prometheusRules, {}, at(url, false))).toMatchObject({
      status: 'skip',
      detail: holding('--prometheus'),
    })
    expect(await runCheck(prometheusRules, {}, at(url))).toMatchObject({
      status: 'fail',
      fix: holding('--prometheus'),
    })
  })
  it('fails where it hangs', async () => {
    const url = await play({ '/api/v1/rules': silence })
    const result = await runCheck(prometheusRules, {}, { ...at(url, false), timeoutMs: 300 })
    expect(result).toMatchObject({ status: 'fail', detail: holding('in time') })
  })
})

describe('prometheus-targets', () => {
  const target = (component: string, changes: object = {}) => ({
    labels: { job: 'ollascope', component, instance: 'a' },
    scrapeUrl: `http://${component}:9435/metrics`,
    health: 'up',
    lastError: '',
    ...changes,
  })
  const with_ = async (...activeTargets: readonly object[]) =>
    runCheck(prometheusTargets, {}, at(await play({ '/api/v1/targets': success({ activeTargets }) })))

  it('is ok with one process, and with two', async () => {
    expect(await with_(target('serve'))).toEqual({ status: 'ok', detail: '1 up: serve' })
    expect(await with_(target('proxy'), target('collector'))).toMatchObject({ status: 'ok' })
  })
  it('fails where one is missing, down, or of another job', async () => {
    expect(await with_(target('proxy'))).toMatchObject({
      status: 'fail',
      detail: holding('component="collector"'),
    })
    expect(
      await with_(target('proxy'), target('collector', { health: 'down', lastError: 'no route to host' })),
    ).toEqual({
      status: 'fail',
      detail: 'http://collector:9435/metrics is down: no route to host',
      fix: 'curl -i http://collector:9435/metrics',
    })
    expect(await with_(target('serve', { labels: { job: 'node' } }))).toMatchObject({
      status: 'fail',
      detail: holding('"ollascope"'),
    })
  })
})

describe('alertmanager', () => {
  const prometheus = async (urls: readonly string[]) =>
    play({ '/api/v1/alertmanagers': success({ activeAlertmanagers: urls.map((url) => ({ url })) }) })
  const ready = () => play({ '/-/ready': 'OK' })

  it('is ok where it is ready and Prometheus knows it', async () => {
    const url = await ready()
    const result = await runCheck(
      alertmanager,
      {},
      { ...at(await prometheus([url])), alertmanager: { url, given: false } },
    )
    expect(result).toMatchObject({ status: 'ok', detail: holding('Prometheus sends to') })
  })
  it('fails where Prometheus knows none', async () => {
    const result = await runCheck(alertmanager, {}, at(await prometheus([])))
    expect(result).toMatchObject({ status: 'fail', detail: holding('reach nobody') })
  })
  it('fails where it is not ready, or not where it was said to be', async () => {
    const url = await play({})
    expect(await runCheck(alertmanager, {}, { alertmanager: { url, given: true } })).toMatchObject({
      status: 'fail',
      detail: holding('404'),
    })
    expect(await runCheck(alertmanager, {}, { alertmanager: { url: NOWHERE, given: true } })).toMatchObject({
      status: 'fail',
    })
  })
  it('warns where only Prometheus gets to it, and skips where there is neither', async () => {
    expect(await runCheck(alertmanager, {}, at(await prometheus(['http://alertmanager:9093'])))).toMatchObject({
      status: 'warn',
    })
    expect(await runCheck(alertmanager)).toMatchObject({ status: 'skip' })
  })
})

describe('clock', () => {
  const played = (ms: number) =>
    play({
      '/': (_request: unknown, response: ServerResponse) => {
        response.setHeader('date', new Date(ms).toUTCString())
        response.end()
      },
    })

  it('is ok where Prometheus has the same time, and fails where it has not', async () => {
    expect(await runCheck(clock, {}, at(await played(Date.now())))).toMatchObject({
      status: 'ok',
      detail: 'agrees with Prometheus',
    })
    expect(await runCheck(clock, {}, at(await played(Date.now() - 3_600_000)))).toMatchObject({
      status: 'fail',
      fix: holding('timedatectl'),
    })
    expect(await runCheck(clock)).toMatchObject({ status: 'skip' })
  })
})

describeWith(['prometheus'], 'a real Prometheus', () => {
  it('is understood: its rules, its targets and its Alertmanagers', async () => {
    const folder = folderOfTest()
    const port = await freePort()
    const group = PAGING.map((alert) => ({ alert, expr: 'vector(0) > 1' }))
    writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'g', rules: group }] }))
    const job = {
      job_name: 'ollascope',
      scrape_interval: '1s',
      static_configs: [{ targets: [`127.0.0.1:${port}`], labels: { component: 'serve' } }],
    }
    const alerting = { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:1'] }] }] }
    const config = { rule_files: ['rules.yml'], scrape_configs: [job], alerting }
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config))
    const url = `http://127.0.0.1:${port}`
    startProgram('prometheus', [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ])
    const ok = async (check: typeof prometheusRules) => (await runCheck(check, {}, at(url))).status === 'ok'
    await waitFor('Prometheus and its rules', () => ok(prometheusRules))
    await waitFor('a scrape', () => ok(prometheusTargets))
    const result = await waitFor('its Alertmanagers', async () => {
      const found = await runCheck(alertmanager, {}, at(url))
      return found.status === 'warn' && found
    })
    expect(result.detail).toContain('Prometheus knows one (http://127.0.0.1:1/')
    expect(await runCheck(clock, {}, at(url))).toMatchObject({ status: 'ok' })
  })
})
