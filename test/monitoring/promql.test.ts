import { describe, expect, test } from 'vitest'
import { checkPromql } from './promql.ts'

const recording = ['instance:ollama_gpus:count', 'instance_model:ollama_decode_tokens_per_second:rate10m']
const check = (expr: string) => checkPromql(expr, { recording })

describe('expressions that are right', () => {
  test.each([
    'ollama_up == 0',
    'sum by (endpoint, status) (rate(ollama_requests_total{method="POST"}[$__rate_interval]))',
    'histogram_quantile(0.95, sum by (le, model) (rate(ollama_time_to_first_token_seconds_bucket[5m])))',
    'rate(ollama_queue_wait_seconds_sum[5m]) / rate(ollama_queue_wait_seconds_count[5m])',
    'max_over_time(ollama_tokens_total[1h]) unless ollama_tokens_total offset 1h',
    'delta(ollama_gpu_temperature_celsius[5m])',
    'increase(node_vmstat_oom_kill[10m])',
    'count by (model) (ollama_tokens_total)',
    'absent(ollama_requests_total)',
    'sum by (instance, component, job) (up{job="ollascope"})',
    'count by (alertname, severity) (ALERTS{alertstate="firing"})',
    'prometheus_tsdb_head_series + scrape_duration_seconds',
    'process_resident_memory_bytes{job="ollascope"}',
    'instance:ollama_gpus:count{instance="ollama"}',
    'sum by (model) (instance_model:ollama_decode_tokens_per_second:rate10m)',
    'ollama_up * on (instance) group_left (version) ollama_version_info',
    'sum by (short) (label_replace(rate(ollama_tokens_total[5m]), "short", "$1", "model", "(.*):.*"))',
  ])('%s', (expr) => {
    expect(check(expr)).toEqual([])
  })
})

describe('expressions that are wrong', () => {
  test.each([
    ['ollama_ups == 0', 'no such metric: ollama_ups'],
    ['{__name__="ollama_up"}', 'no such metric: {__name__="ollama_up"}'],
    ['ollama_queue_wait_seconds', 'no such metric: ollama_queue_wait_seconds'],
    ['ollama_up_total', 'no such metric: ollama_up_total'],
    ['instance:ollama_gpus:sum', 'no such metric: instance:ollama_gpus:sum'],
    ['instance:ollama_gpus:count{model="a"}', 'instance:ollama_gpus:count has no label model'],
    ['rate(ollama_requests_total{model="a"}[5m])', 'ollama_requests_total has no label model'],
    ['rate(ollama_queue_wait_seconds_sum{le="1"}[5m])', 'ollama_queue_wait_seconds_sum has no label le'],
    ['ollama_requests_total', 'ollama_requests_total is a counter: it needs rate or increase'],
    ['sum(ollama_requests_total)', 'ollama_requests_total is a counter: it needs rate or increase'],
    ['ollama_up or ollama_requests_total', 'ollama_requests_total is a counter: it needs rate or increase'],
    ['ollama_requests_total unless ollama_up', 'ollama_requests_total is a counter: it needs rate or increase'],
    [
      'max_over_time(sum(ollama_requests_total)[5m:1m])',
      'ollama_requests_total is a counter: it needs rate or increase',
    ],
    ['avg_over_time(ollama_requests_total[5m])', 'ollama_requests_total is a counter: it needs rate or increase'],
    ['delta(ollama_requests_total[5m])', 'ollama_requests_total is a counter: it needs rate or increase'],
    ['rate(ollama_up[5m])', 'ollama_up is a gauge: not for rate'],
    ['increase(ollama_active_requests[5m])', 'ollama_active_requests is a gauge: not for increase'],
    [
      'sum by (modle) (ollama_loaded_model_size_bytes)',
      'nothing in "sum by (modle) (ollama_loaded_model_size_bytes)" has a label modle',
    ],
    ['ollama_up and on (model) ollama_loaded_model_size_bytes', 'nothing in "ollama_up" has a label model'],
    [
      'histogram_quantile(0.9, sum by (model) (rate(ollama_queue_wait_seconds_bucket[5m])))',
      'histogram_quantile needs the label le',
    ],
    ['sum(', 'cannot be parsed near ""'],
    ['', 'cannot be parsed near ""'],
  ])('%s', (expr, problem) => {
    expect(check(expr)).toContain(problem)
  })
})
