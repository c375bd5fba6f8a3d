/**
 * The places in a JSON text that a reader wants, compiled once into a tree of keys.
 *
 * `usage.prompt_tokens` is a key inside an object inside the top-level object; `choices[].delta.content` goes through
 * the elements of an array. Whatever lies beside these places is skipped without being decoded or kept.
 */
export interface PathNode {
  /** The path as it was written, where the value at this place is wanted. */
  path?: string
  /** The next steps: object keys, and `[]` for the elements of an array. */
  readonly children: Map<string, PathNode>
}

/** The step to the elements of an array. A key that is written like it is no such step. */
export const ELEMENTS = '[]'
const STEP = /\[\]|[^.[\]]+/g

export function compilePaths(paths: readonly string[]): PathNode {
  const root: PathNode = { children: new Map() }
  for (const path of paths) {
    let node = root
    for (const step of path.match(STEP) ?? []) {
      let next = node.children.get(step)
      if (next === undefined) {
        next = { children: new Map() }
        node.children.set(step, next)
      }
      node = next
    }
    node.path = path
  }
  return root
}
