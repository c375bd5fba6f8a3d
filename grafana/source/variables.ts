import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'

/** What every panel, variable and annotation asks. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }

const ALL = { selected: true, text: 'All', value: '$__all' }

function datasource(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('datasource')
    .label('Data source')
    .description('The Prometheus that is asked.')
    .type('prometheus')
    .current({ selected: true, text: 'Prometheus', value: 'prometheus' })
}

function query(name: string, label: string, description: string, text: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .description(description)
    .datasource(DATASOURCE)
    .definition(text)
    .query({ qryType: 1, query: text, refId: 'PrometheusVariableQueryEditor-VariableQuery' })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
}

function manyOf(name: string, label: string, description: string, text: string): QueryVariableBuilder {
  return query(name, label, description, text).multi(true).includeAll(true).allValue('.*').current(ALL)
}

/** Those of every dashboard. `up` names the jobs and instances: it outlives what they export. */
export function commonVariables() {
  return [
    datasource(),
    query('job', 'Job', 'Scrape jobs; add those of cAdvisor and node_exporter where they run.', 'label_values(up, job)')
      .multi(true)
      .current({ selected: true, text: ['ollascope'], value: ['ollascope'] }),
    manyOf('instance', 'Ollama', 'Which Ollama; its proxy and its collector share the name.', labels('instance', 'up')),
    manyOf('container', 'Container', 'Containers of Ollama.', labels('name', 'container_memory_working_set_bytes')),
    manyOf('model', 'Model', 'Full names of models.', labels('model', 'ollama_inference_requests_total')),
  ]
}

/** Two models, or two versions of one, side by side. */
export function comparedModels() {
  const models = labels('model', 'ollama_inference_requests_total')
  return [
    query('model_a', 'A', 'The model that is compared.', models),
    query('model_b', 'B', 'The model or version that it is compared with.', models).sort(VariableSort.AlphabeticalDesc),
  ]
}

function labels(label: string, metric: string): string {
  const instance = label === 'instance' ? '' : ', instance=~"$instance"'
  return `label_values(${metric}{job=~"$job"${instance}}, ${label})`
}
