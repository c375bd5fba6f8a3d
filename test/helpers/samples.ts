/** The samples of a scrape in the text format, by name and labels in any order. */
export interface Samples {
  /** The one sample with this name and exactly these labels, or `undefined`. */
  readonly value: (name: string, labels?: Readonly<Record<string, string>>) => number | undefined
  /** The sum over all samples with this name that have at least these labels; 0 where there is none. */
  readonly sum: (name: string, labels?: Readonly<Record<string, string>>) => number
  readonly names: ReadonlySet<string>
}

interface Sample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)",?/g

export function readSamples(text: string): Samples {
  const samples = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(readSample)
  const having = (name: string, labels: Readonly<Record<string, string>>) =>
    samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels.get(key) === value),
    )
  return {
    value: (name, labels = {}) =>
      having(name, labels).find((sample) => sample.labels.size === Object.keys(labels).length)?.value,
    sum: (name, labels = {}) => having(name, labels).reduce((sum, { value }) => sum + value, 0),
    names: new Set(samples.map(({ name }) => name)),
  }
}

function readSample(line: string): Sample {
  const [, name, labels = '', value] = LINE.exec(line) ?? []
  if (name === undefined) throw new Error(`no sample: ${line}`)
  return {
    name,
    labels: new Map([...labels.matchAll(LABEL)].map(([, key = '', text = '']) => [key, text])),
    value: value === '+Inf' ? Infinity : Number(value),
  }
}
