/** Bytes a weight by quantization, as measured of models of 7 to 8 billion. */
const BYTES: readonly (readonly [form: RegExp, bytes: number])[] = [
  [/q2/i, 0.42],
  [/q3/i, 0.5],
  [/q5/i, 0.72],
  [/q6/i, 0.83],
  [/q8/i, 1.08],
  [/f16|bf16|fp16/i, 2.02],
  [/f32|fp32/i, 4.02],
]
/** What a name without quantization stands for: q4_K_M. */
const USUAL_BYTES = 0.63

/** About how large a model's files are, from its name (`llama3.1:8b-instruct-q5_K_M`); undefined where it does not say. */
export function sizeByName(name: string): number | undefined {
  const [, times = '1', count, unit] = /(?:^|[^a-z\d.])(?:(\d+)x)?(\d+(?:\.\d+)?)(b|m)(?![a-z\d])/i.exec(name) ?? []
  if (count === undefined || unit === undefined) return undefined
  const weights = Number(times) * Number(count) * (unit.toLowerCase() === 'b' ? 1e9 : 1e6)
  const [, bytes] = BYTES.find(([form]) => form.test(name)) ?? [undefined, USUAL_BYTES]
  return Math.round(weights * bytes)
}

/** About what a model of so many bytes takes when it is loaded: its weights, context and buffers. */
export function loadedSize(bytes: number): number {
  return Math.round(bytes * 1.15 + 300e6)
}

/** `4.7 GB`, in units of 1000 as Ollama writes them. */
export function formatBytes(bytes: number): string {
  const [unit, size] = (
    [
      ['GB', 1e9],
      ['MB', 1e6],
      ['kB', 1e3],
    ] as const
  ).find(([, one]) => bytes >= one) ?? ['B', 1]
  return `${(bytes / size).toFixed(size === 1 ? 0 : 1)} ${unit}`
}
