// Medians over the rounds, as Markdown.

export interface Sample {
  proxy: string
  scenario: 'request' | 'burst' | 'flood' | 'paced'
  cpuUs: number | undefined
  wallMs: number
  firstMs: number[]
  transitMs: number[]
  peakMb: number | undefined
  startMs: number | undefined
}

const YARDSTICK = 'express-hpm'

function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN
}

function median(values: (number | undefined)[]): number {
  const known = values.filter((value) => value !== undefined).toSorted((a, b) => a - b)
  const middle = known.length >> 1
  const upper = known[middle] ?? NaN
  return known.length % 2 === 1 ? upper : ((known[middle - 1] ?? NaN) + upper) / 2
}

function show(value: number, digits: number): string {
  return Number.isNaN(value) ? '' : value.toFixed(digits)
}

function cpuCell(samples: Sample[], yardstick: Sample[]): string {
  const all = samples.map((sample) => sample.cpuUs).filter((value) => value !== undefined)
  const own = median(all)
  if (Number.isNaN(own)) return ''
  const ratio = own / median(yardstick.map((sample) => sample.cpuUs))
  const spread = `${show(Math.min(...all), 2)} to ${show(Math.max(...all), 2)}`
  return `${show(own, 2)} us (${spread})${Number.isNaN(ratio) ? '' : `, **${show(ratio, 2)}x**`}`
}

export function print(proxies: string[], scenarios: Sample['scenario'][], samples: Sample[]): void {
  const of = (proxy: string, scenario: string): Sample[] =>
    samples.filter((sample) => sample.proxy === proxy && sample.scenario === scenario)
  const paced = scenarios.includes('paced')
  const latency = ['first line p50', 'first line p99', 'a chunk p50', 'a chunk p99']
  const titles = ['proxy', ...scenarios.map((scenario) => `CPU, ${scenario}`), ...(paced ? latency : [])]
  const rows = proxies.map((proxy) => {
    const cells = scenarios.map((scenario) => cpuCell(of(proxy, scenario), of(YARDSTICK, scenario)))
    if (paced) {
      for (const key of ['firstMs', 'transitMs'] as const)
        for (const q of [0.5, 0.99])
          cells.push(`${show(median(of(proxy, 'paced').map((sample) => quantile(sample[key], q))), 1)} ms`)
    }
    const mine = samples.filter((sample) => sample.proxy === proxy)
    const peak = (scenario: string): string => show(median(of(proxy, scenario).map((sample) => sample.peakMb)), 0)
    return [proxy, ...cells, ...scenarios.map(peak), show(median(mine.map((sample) => sample.startMs)), 0)]
  })
  const all = [...titles, ...scenarios.map((scenario) => `peak RSS MB, ${scenario}`), 'start ms']
  console.log(`| ${all.join(' | ')} |\n|${'---|'.repeat(all.length)}`)
  for (const row of rows) console.log(`| ${row.join(' | ')} |`)
}
