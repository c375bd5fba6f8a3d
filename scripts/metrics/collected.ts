import type { COLLECTORS, CONTAINERS, GPUS, HOST, RESIDENCY } from '../../src/metrics/collected.ts'
import { rate, type Doc } from './doc.ts'

const ps = '`/api/ps`; absent while it fails'
const tags = '`/api/tags`; absent while it fails'
const gpu = 'nvidia-smi, or the amdgpu driver’s files in `/sys`'
const nvidia = 'nvidia-smi'
const container = 'the Docker daemon, or the container’s cgroup'
const docker = 'the Docker daemon'
const meminfo = '`/proc/meminfo`'
const store = 'the file system of Ollama’s models, where it is one of this machine'
const scheduler = 'the scheduler'

export const RESIDENCY_DOCS = {
  up: { source: '`/api/version`', query: 'ollama_up == 0' },
  versionInfo: { source: '`/api/version`', query: 'count by (version) (ollama_version_info)' },
  pollDuration: { source: 'Ollama', query: 'ollama_poll_duration_seconds > 1' },
  loadedModels: { source: ps, query: 'ollama_loaded_models' },
  loadedModelSize: { source: ps, query: 'sum by (instance) (ollama_loaded_model_size_bytes)' },
  loadedModelVram: { source: ps, query: 'ollama_loaded_model_vram_bytes == 0' },
  loadedModelGpuRatio: { source: ps, query: 'ollama_loaded_model_gpu_ratio < 0.99' },
  loadedModelExpires: { source: ps, query: 'ollama_loaded_model_expires_timestamp_seconds - time()' },
  loadedModelContext: { source: ps, query: 'ollama_loaded_model_context_tokens' },
  loadedModelInfo: {
    source: ps,
    query: 'ollama_loaded_model_gpu_ratio * on (instance, model) group_left (digest) ollama_loaded_model_info',
  },
  modelLoads: {
    source:
      'answers of `/api/ps`, compared, and where proxy and collector are one process also requests that loaded their model',
    query: 'sum by (instance) (increase(ollama_model_load_events_total[15m])) > 6',
  },
  modelUnloads: {
    source: 'likewise',
    query: 'sum by (model) (increase(ollama_model_unload_events_total[1h]))',
  },
  modelsInstalled: { source: tags, query: 'ollama_models_installed' },
  installedModelInfo: { source: tags, query: 'count by (model, digest) (ollama_installed_model_info)' },
  modelCpuIntended: {
    source: 'the configuration file (docs/config.md)',
    query:
      'ollama_loaded_model_vram_bytes == 0 unless on (instance, model) ollama_model_cpu_intended and on (instance) ollama_gpu_expected == 1',
  },
  latencyTarget: {
    source: 'the configuration file (docs/config.md)',
    query:
      'histogram_quantile(0.95, sum by (instance, model, le) (rate(ollama_time_to_first_token_seconds_bucket[30m]))) > ' +
      'on (instance, model) group_left ollama_latency_target_seconds{metric="ttft", quantile="0.95"}',
  },
} as const satisfies Record<keyof typeof RESIDENCY, Doc>

export const GPU_DOCS = {
  expected: {
    source:
      'OLLASCOPE_GPU_EXPECTED, else the first GPU that was seen; outlives it, and with OLLASCOPE_STATE_DIR a restart',
    query: 'ollama_gpu_expected == 1 unless on (instance) ollama_gpu_info',
  },
  info: { source: gpu, query: 'count by (instance, name) (ollama_gpu_info)' },
  utilization: { source: gpu, query: 'avg_over_time(ollama_gpu_utilization_ratio[5m])' },
  memoryUtilization: { source: gpu, query: 'ollama_gpu_memory_utilization_ratio' },
  memoryUsed: { source: gpu, query: 'ollama_gpu_memory_used_bytes / ollama_gpu_memory_total_bytes' },
  memoryTotal: { source: gpu, query: 'sum by (instance) (ollama_gpu_memory_total_bytes)' },
  memoryReserved: { source: nvidia, query: 'ollama_gpu_memory_reserved_bytes' },
  temperature: { source: gpu, query: 'ollama_gpu_temperature_celsius > 85' },
  memoryTemperature: { source: gpu, query: 'ollama_gpu_memory_temperature_celsius > 95' },
  power: { source: gpu, query: 'sum by (instance) (ollama_gpu_power_watts)' },
  powerLimit: { source: gpu, query: 'ollama_gpu_power_watts / ollama_gpu_power_limit_watts' },
  energy: {
    source:
      'its power between two looks; what happens in between is not seen, and gaps of more than a minute count nothing',
    query:
      'sum by (instance) (rate(ollama_gpu_energy_joules_total[15m])) / ' +
      'sum by (instance) (rate(ollama_tokens_total{type="output"}[15m]))',
  },
  smClock: { source: gpu, query: 'ollama_gpu_sm_clock_hertz' },
  memoryClock: { source: gpu, query: 'ollama_gpu_memory_clock_hertz' },
  fan: { source: gpu, query: 'ollama_gpu_fan_ratio' },
  eccCorrected: { source: nvidia, query: 'ollama_gpu_ecc_corrected_volatile_errors > 0' },
  eccUncorrected: { source: nvidia, query: 'ollama_gpu_ecc_uncorrected_volatile_errors > 0' },
  throttle: {
    source: nvidia,
    query: 'ollama_gpu_throttle_active{reason=~"hw_thermal|sw_thermal|hw_power_brake"} == 1',
  },
  performanceState: { source: nvidia, query: 'ollama_gpu_performance_state' },
  persistenceMode: { source: nvidia, query: 'ollama_gpu_persistence_mode == 0' },
  migMode: { source: nvidia, query: 'ollama_gpu_mig_mode == 1' },
  processMemory: { source: nvidia, query: 'ollama_gpu_process_memory_bytes{process="other"} > 0' },
} as const satisfies Record<keyof typeof GPUS, Doc>

export const CONTAINER_DOCS = {
  memoryUsage: { source: container, query: 'container_memory_usage_bytes' },
  memoryWorkingSet: {
    source: container,
    query: 'container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0) > 0.9',
  },
  memoryRss: { source: container, query: 'container_memory_rss' },
  memoryLimit: { source: container, query: 'container_spec_memory_limit_bytes == 0' },
  cpuUsage: { source: container, query: rate('container_cpu_usage_seconds_total') },
  cpuQuota: {
    source: container,
    query: 'rate(container_cpu_usage_seconds_total[5m]) / (container_spec_cpu_quota / container_spec_cpu_period) > 0.9',
  },
  cpuPeriod: { source: container, query: 'container_spec_cpu_quota / container_spec_cpu_period' },
  networkReceive: { source: container, query: rate('container_network_receive_bytes_total') },
  networkTransmit: { source: container, query: rate('container_network_transmit_bytes_total') },
  fsReads: { source: container, query: rate('container_fs_reads_bytes_total') },
  fsWrites: { source: container, query: rate('container_fs_writes_bytes_total') },
  oomEvents: {
    source:
      'the kernel’s counter of the container’s cgroup, each second; where that cannot be read, the events of the Docker daemon',
    query: 'increase(container_oom_events_total[10m]) > 0',
  },
  oomKillInfo: {
    source:
      '`/api/ps` before and after the kill; `loading` is what requests waited for, known where the proxy is in the same process',
    query: 'ollama_oom_kill_info{state="vanished"}',
  },
  startTime: { source: container, query: 'time() - container_start_time_seconds < 600' },
  lastSeen: { source: container, query: 'time() - container_last_seen > 60' },
  restarts: { source: docker, query: 'delta(container_restarts[15m]) > 0' },
  health: { source: docker, query: 'container_health_state == 0' },
} as const satisfies Record<keyof typeof CONTAINERS, Doc>

export const HOST_DOCS = {
  memoryTotal: { source: meminfo, query: 'node_memory_MemTotal_bytes' },
  memoryAvailable: { source: meminfo, query: 'node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0.05' },
  cpu: {
    source: '`/proc/stat`',
    query: '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
  },
  load1: { source: '`/proc/loadavg`', query: 'node_load1' },
  oomKills: { source: '`/proc/vmstat`', query: 'increase(node_vmstat_oom_kill[10m]) > 0' },
  filesystemAvailable: { source: store, query: 'node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.1' },
  filesystemSize: { source: store, query: 'node_filesystem_size_bytes' },
} as const satisfies Record<keyof typeof HOST, Doc>

export const COLLECTOR_DOCS = {
  enabled: { source: scheduler, query: 'ollascope_collector_enabled == 0' },
  success: { source: scheduler, query: 'ollascope_collector_success == 0' },
  duration: { source: scheduler, query: 'ollascope_collector_duration_seconds > 5' },
  lastSuccess: { source: scheduler, query: 'time() - ollascope_collector_last_success_timestamp_seconds > 120' },
  errors: { source: scheduler, query: 'increase(ollascope_collector_errors_total[15m]) > 0' },
} as const satisfies Record<keyof typeof COLLECTORS, Doc>
