/** What Ollama's log says of its hardware. */
export interface LogFacts {
  /** `cuda`, `rocm`, `metal`, `vulkan`, `cpu`, of the last start. */
  readonly libraries: readonly string[]
  /** Of the model that was loaded last. */
  readonly offloaded: { readonly layers: number; readonly of: number } | undefined
}

const START = 'msg="Listening on '
const LIBRARY = /msg="inference compute".*?\blibrary="?(\w+)/
const OFFLOADED = /\boffloaded (\d{1,6})\/(\d{1,6}) layers to GPU/

/** Reads the text of a log; what an earlier start of Ollama said does not count. */
export function readOllamaLog(text: string): LogFacts {
  let libraries = new Set<string>()
  let offloaded: LogFacts['offloaded']
  for (const line of text.split('\n')) {
    if (line.includes(START)) {
      libraries = new Set()
      offloaded = undefined
    }
    const library = LIBRARY.exec(line)?.[1]
    if (library !== undefined) libraries.add(library.toLowerCase())
    const [, layers, of] = OFFLOADED.exec(line) ?? []
    if (layers !== undefined) offloaded = { layers: Number(layers), of: Number(of) }
  }
  return { libraries: [...libraries], offloaded }
}
