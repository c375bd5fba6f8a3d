import { describe, expect, it } from 'vitest'
import { KillReports, type KillReport } from '../../../../src/collectors/oom/kill-reports.ts'

function createReports() {
  const now = { ms: 1_000_000 }
  const made: KillReport[] = []
  let loading: readonly string[] = []
  const reports = new KillReports(
    () => now.ms,
    () => loading,
    (report) => made.push(report),
  )
  return {
    reports,
    now,
    made,
    at: (ms: number, ...models: string[]) => {
      now.ms = 1_000_000 + ms
      reports.setLoaded(models)
    },
    kill: (ms: number, name = 'ollama', kills = 1) => {
      now.ms = 1_000_000 + ms
      reports.note(name, kills)
    },
    load: (...models: string[]) => (loading = models),
    series: () => reports.measurements().map(({ labels }) => `${labels.name} ${labels.state} ${labels.model}`),
  }
}

describe('the report of a kill', () => {
  it('tells what was in memory and is no more', () => {
    const { at, kill, made, series } = createReports()
    at(0, 'a', 'b')
    kill(5000)
    at(7000, 'b')
    expect(made).toEqual([{ name: 'ollama', kills: 1, resident: ['b'], vanished: ['a'], loading: [] }])
    expect(series()).toEqual(['ollama vanished a', 'ollama resident b'])
  })

  it('waits until an answer can show it', () => {
    const { at, kill, made, reports } = createReports()
    at(0, 'a')
    kill(5000)
    expect(reports.isWaiting).toBe(true)
    at(5200, 'a') // it lingers in the list
    expect(made).toEqual([])
    at(6600)
    expect(made).toMatchObject([{ vanished: ['a'] }])
    expect(reports.isWaiting).toBe(false)
  })

  it('knows the answer before the last, which may have come behind the kill', () => {
    const { at, kill, made } = createReports()
    at(0, 'a')
    at(10_000)
    kill(10_500)
    at(12_500)
    expect(made).toMatchObject([{ vanished: ['a'] }])
  })

  it('blames no model that was gone long before', () => {
    const { at, kill, made } = createReports()
    at(0, 'a')
    at(10_000)
    kill(18_000)
    at(20_000)
    expect(made).toMatchObject([{ vanished: [], resident: [] }])
  })

  it('names what was being loaded', () => {
    const { at, kill, made, load, series } = createReports()
    at(0, 'a')
    load('big:latest', 'a')
    kill(1000)
    load()
    at(4000, 'a')
    expect(made).toMatchObject([{ loading: ['big:latest'], resident: ['a'] }])
    expect(series()).toEqual(['ollama loading big:latest', 'ollama resident a'])
  })

  it('is one for kills that come together', () => {
    const { at, kill, made } = createReports()
    at(0, 'a')
    kill(1000)
    kill(1500, 'ollama', 2)
    kill(1600, 'other')
    at(4000)
    expect(made.map(({ name, kills }) => [name, kills])).toEqual([
      ['ollama', 3],
      ['other', 1],
    ])
  })

  it('is made also where Ollama answers no more', () => {
    const { at, kill, made, now, reports } = createReports()
    at(0, 'a')
    kill(1000)
    for (const ms of [3000, 9000, 11_500]) {
      now.ms = 1_000_000 + ms
      reports.setLoaded(undefined)
    }
    expect(made).toMatchObject([{ vanished: ['a'], resident: [] }])
  })
})

describe('its series', () => {
  it('are of the last kill of each container, for an hour', () => {
    const { at, kill, series } = createReports()
    at(0, 'a')
    kill(1000)
    kill(1000, 'other')
    at(3000)
    at(10_000, 'b')
    kill(14_000)
    at(16_000, 'b')
    expect(series()).toEqual(['ollama resident b', 'other vanished a'])
    at(3_601_001)
    expect(series()).toEqual(['ollama resident b'])
    at(3_614_001)
    expect(series()).toEqual([])
  })

  it('are bounded', () => {
    const { at, kill, series } = createReports()
    at(0, ...Array.from({ length: 500 }, (_, index) => `m${index}`))
    kill(1000)
    at(3000)
    expect(series()).toHaveLength(20)
  })
})
