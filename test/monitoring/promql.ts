import { parser } from '@prometheus-io/lezer-promql'
import type { SyntaxNode } from '@lezer/common'
import { CATALOGUE } from '../../src/metrics/catalogue.ts'

interface Series {
  readonly kind: 'counter' | 'gauge' | 'any'
  /** `undefined` where any will do. */
  readonly labels: readonly string[] | undefined
}

export interface CheckOptions {
  /** The names of the recording rules; the part before the first colon says by which labels they are. */
  readonly recording: readonly string[]
}

/** What the scrape configuration gives every series. */
const EVERYWHERE = ['__name__', 'job', 'instance', 'component']
const FOREIGN = /^(up|ALERTS|ALERTS_FOR_STATE|(prometheus|alertmanager|scrape|process|nodejs)_\w+)$/
/** Gauges by their type, since that is what node_exporter and cAdvisor have; counts by their meaning. */
const COUNTS = ['node_vmstat_oom_kill', 'container_restarts']

const OF_COUNTERS = ['rate', 'irate', 'increase', 'resets']
const OF_BOTH = /^(changes|absent|timestamp|(min|max|last|count|present|absent)_over_time)$/
const PRESENCE = ['count', 'group']

const CATALOGUED: ReadonlyMap<string, Series> = new Map(
  CATALOGUE.flatMap(({ name, type, labels }): [string, Series][] => {
    if (type !== 'histogram') return [[name, { kind: COUNTS.includes(name) ? 'any' : type, labels }]]
    const series = { kind: 'counter', labels } as const
    return [
      [`${name}_bucket`, { ...series, labels: [...labels, 'le'] }],
      [`${name}_sum`, series],
      [`${name}_count`, series],
    ]
  }),
)

/** What is wrong with an expression, a line each. Grafana's intervals may be in it. */
export function checkPromql(expr: string, { recording }: CheckOptions): string[] {
  const text = expr.replaceAll(/\$__(rate_interval|interval|range)\b|\$\{__(rate_interval|interval|range)\}/g, '5m')
  const problems: string[] = []
  const made = new Set<string>()
  const textOf = (node: SyntaxNode) => text.slice(node.from, node.to)

  function nodes(root: SyntaxNode, name: string): SyntaxNode[] {
    const found: SyntaxNode[] = []
    root.cursor().iterate((node) => {
      if (node.name === name) found.push(node.node)
    })
    return found
  }

  function nameOf(selector: SyntaxNode): string {
    const name = selector.getChild('Identifier')
    return name === null ? '' : textOf(name)
  }

  function seriesOf(name: string): Series | undefined {
    if (FOREIGN.test(name)) return { kind: 'any', labels: undefined }
    if (!name.includes(':')) return CATALOGUED.get(name)
    return recording.includes(name) ? { kind: 'gauge', labels: (name.split(':')[0] ?? '').split('_') } : undefined
  }

  function hasLabel(selector: SyntaxNode, label: string): boolean {
    const labels = seriesOf(nameOf(selector))?.labels
    return labels === undefined || [...EVERYWHERE, ...labels, ...made].includes(label)
  }

  function checkSelector(selector: SyntaxNode): void {
    const name = nameOf(selector)
    const series = seriesOf(name)
    if (series === undefined) {
      problems.push(`no such metric: ${name || textOf(selector)}`)
      return
    }
    for (const label of nodes(selector, 'LabelName').map(textOf))
      if (!hasLabel(selector, label)) problems.push(`${name} has no label ${label}`)
    const use = useOf(selector, textOf)
    if (series.kind === 'counter' && !countsWell(use)) problems.push(`${name} is a counter: it needs rate or increase`)
    if (series.kind === 'gauge' && OF_COUNTERS.includes(use)) problems.push(`${name} is a gauge: not for ${use}`)
  }

  /** A label of `by`, `on` or `group_left` that nothing under it has silently gives other groups than were meant. */
  function checkGrouping(grouping: SyntaxNode): void {
    const owner = grouping.parent?.parent
    if (owner === null || owner === undefined) return
    const isOn = grouping.prevSibling?.name === 'On'
    const sides = isOn ? operands(owner) : [owner]
    for (const label of grouping.getChildren('LabelName').map(textOf)) {
      for (const side of sides) {
        const selectors = nodes(side, 'VectorSelector')
        if (selectors.length > 0 && !selectors.some((selector) => hasLabel(selector, label)))
          problems.push(`nothing in "${textOf(side)}" has a label ${label}`)
      }
    }
  }

  /** Without `le` a quantile is no number. */
  function checkQuantile(call: SyntaxNode): void {
    const sum = nodes(call, 'AggregateExpr')[0]
    const by = sum?.getChild('AggregateModifier')
    if (by && !nodes(by, 'LabelName').map(textOf).includes('le')) problems.push('histogram_quantile needs the label le')
  }

  const { topNode } = parser.parse(text)
  topNode.cursor().iterate((node) => {
    if (node.type.isError) problems.push(`cannot be parsed near "${text.slice(node.from, node.from + 20)}"`)
  })
  if (problems.length > 0) return problems

  for (const call of nodes(topNode, 'FunctionCall')) {
    const called = call.getChild('FunctionIdentifier')
    if (called === null) continue
    if (textOf(called) === 'histogram_quantile') checkQuantile(call)
    if (/^label_(replace|join)$/.test(textOf(called)))
      for (const label of nodes(call, 'StringLiteral')) made.add(textOf(label).slice(1, -1))
  }
  nodes(topNode, 'VectorSelector').forEach(checkSelector)
  nodes(topNode, 'GroupingLabels').forEach(checkGrouping)
  return problems
}

function countsWell(use: string): boolean {
  return OF_COUNTERS.includes(use) || OF_BOTH.test(use) || PRESENCE.includes(use) || use === 'there'
}

/** The function or aggregation that takes this selector; `there` where it only says what else may be. */
function useOf(selector: SyntaxNode, textOf: (node: SyntaxNode) => string): string {
  let node = selector
  for (let parent = node.parent; parent !== null; node = parent, parent = node.parent) {
    if (parent.name === 'FunctionCall') return textOf(parent.firstChild ?? parent)
    if (parent.name === 'AggregateExpr') return textOf(parent.firstChild ?? parent)
    if (parent.name === 'BinaryExpr') {
      const isRight = node.to === parent.to
      return isRight && (parent.getChild('Unless') ?? parent.getChild('And')) !== null ? 'there' : ''
    }
  }
  return ''
}

function operands({ firstChild, lastChild }: SyntaxNode): SyntaxNode[] {
  return [firstChild, lastChild].filter((node) => node !== null)
}
