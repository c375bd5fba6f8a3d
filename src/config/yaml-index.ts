import { isAlias, isMap, isNode, isPair, isScalar, visit } from 'yaml'
import type { Document, Node, Pair, YAMLMap } from 'yaml'
import { printable } from './parsers.ts'
import type { LineProblem } from './problem.ts'

export interface YamlIndex {
  /** The line of the last key of the path, or of the last that there is. */
  readonly lineOf: (path: readonly string[]) => number
  /** Keys that stand twice in one map. */
  readonly twins: readonly LineProblem[]
  /** Aliases that stand for nothing. */
  readonly loose: readonly LineProblem[]
}

/** Where the keys of a document are, and what is wrong with them. `lineAt` is the line of an offset. */
export function createIndex(document: Document.Parsed, lineAt: (offset: number) => number): YamlIndex {
  const anchors = new Map<string, Node>()
  const standsFor = new Map<unknown, Node>()
  const maps = new Map<YAMLMap, ReadonlyMap<string, Pair>>()
  const twins: LineProblem[] = []
  const loose: LineProblem[] = []
  const lineOfNode = (node: unknown) => lineAt(isNode(node) ? (node.range?.[0] ?? 0) : 0)

  const indexMap = (map: YAMLMap, parents: readonly unknown[]) => {
    const pairs = new Map<string, Pair>()
    for (const pair of map.items) {
      const key = keyOf(pair)
      const earlier = pairs.get(key)
      // The last of several counts, also in the document's value.
      pairs.set(key, pair)
      if (earlier !== undefined) {
        const path = [...parents.filter((parent) => isPair(parent)).map(keyOf), key]
        const why = `stands here twice (also on line ${lineOfNode(earlier.key)}); write it once`
        twins.push({ line: lineOfNode(pair.key), path, why })
      }
    }
    maps.set(map, pairs)
  }
  visit(document, {
    Value(_key, node, parents) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node)
      if (isMap(node)) indexMap(node, parents)
    },
    Alias(_key, alias) {
      const node = anchors.get(alias.source)
      if (node !== undefined) return void standsFor.set(alias, node)
      const name = printable(alias.source)
      const why = `the alias *${name} stands for nothing; write &${name} before it`
      loose.push({ line: lineOfNode(alias), path: [], why })
    },
  })

  const lineOf = (path: readonly string[]): number => {
    let node: unknown = document.contents
    let line = lineOfNode(node)
    for (const key of path) {
      const map = isAlias(node) ? standsFor.get(node) : node
      const pair = isMap(map) ? maps.get(map)?.get(key) : undefined
      if (pair === undefined) return line
      line = lineOfNode(pair.key)
      node = pair.value
    }
    return line
  }
  return { lineOf, twins, loose }
}

function keyOf({ key }: Pair): string {
  return String(isScalar(key) ? key.value : key)
}
