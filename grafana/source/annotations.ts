import { AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { COLOURS } from './colours.ts'
import { firing, ofContainer, ofModel, ofTarget } from './queries/selectors.ts'
import { DATASOURCE } from './variables.ts'

interface Event {
  readonly name: string
  readonly colour: string
  readonly expr: string
  readonly title: string
  readonly tags: string
  /** Whether the value, in milliseconds, is the time of the event. */
  readonly valueIsTime?: boolean
}

const EVENTS: readonly Event[] = [
  {
    name: 'Firing alerts',
    colour: COLOURS.bad,
    expr: firing('severity!="none"'),
    title: '{{alertname}}',
    tags: 'severity,instance',
  },
  {
    name: 'OOM kills',
    colour: COLOURS.noData,
    expr: `sum by (instance, name) (increase(${ofContainer('container_oom_events_total')}[$__rate_interval])) > 0`,
    title: 'OOM kill in {{name}}',
    tags: 'instance',
  },
  {
    name: 'Model loads',
    colour: COLOURS.quiet,
    expr: `sum by (instance, model) (increase(${ofModel('ollama_model_load_events_total')}[$__rate_interval])) > 0`,
    title: '{{model}} loaded',
    tags: 'instance',
  },
  {
    name: 'Container starts',
    colour: COLOURS.warn,
    expr: `max by (instance, name) (${ofContainer('container_start_time_seconds')}) * 1000`,
    title: '{{name}} started',
    tags: 'instance',
    valueIsTime: true,
  },
  {
    name: 'Ollascope starts',
    colour: COLOURS.idle,
    expr: `max by (instance, component) (${ofTarget('process_start_time_seconds', 'component!=""')}) * 1000`,
    title: 'Ollascope ({{component}}) started',
    tags: 'instance',
    valueIsTime: true,
  },
]

/** What happened, as marks on every panel over time. */
export function annotations(): AnnotationQueryBuilder[] {
  return EVENTS.map(({ name, colour, expr, title, tags, valueIsTime = false }) =>
    new AnnotationQueryBuilder()
      .name(name)
      .datasource(DATASOURCE)
      .enable(true)
      .iconColor(colour)
      .target(new DataqueryBuilder().expr(expr).refId('Anno').interval('15s'))
      .titleFormat(title)
      .textFormat('{{instance}}')
      .tagKeys(tags)
      .useValueForTime(valueIsTime),
  )
}
