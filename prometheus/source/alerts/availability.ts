import type { Alert } from '../alert.ts'

export const AVAILABILITY: readonly Alert[] = [
  {
    name: 'OllamaDown',
    expr: 'max by (instance) (ollama_up) == 0',
    for: '1m',
    severity: 'critical',
    summary: 'Ollama does not answer',
    description:
      'Ollama {{ $labels.instance }} has not answered /api/version for a minute (ollama_up is {{ $value }}).',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllascopeDown',
    expr: 'up{job="ollascope"} == 0',
    for: '2m',
    severity: 'critical',
    summary: 'Ollascope cannot be scraped',
    description:
      'Ollascope ({{ $labels.component }}) at {{ $labels.instance }} cannot be scraped (up is {{ $value }}). Alerts on what it measures are blind.',
    dashboard: 'ollama-overview',
  },
  {
    name: 'OllascopeAbsent',
    expr: 'absent(up{job="ollascope"})',
    for: '5m',
    severity: 'critical',
    summary: 'Prometheus has no Ollascope to scrape',
    description:
      'The job {{ $labels.job }} has no target (absent is {{ $value }}). All other alerts on Ollama are blind.',
    dashboard: 'ollama-overview',
  },
]
