import { counter, gauge, type MetricDefinition } from './definition.ts'

const DETAILS = ['digest', 'family', 'parameter_size', 'quantization'] as const
const MODEL = ['model'] as const
const GPU = ['gpu', 'uuid'] as const
const CONTAINER = ['name', 'image'] as const
const FILESYSTEM = ['device', 'fstype', 'mountpoint'] as const

/** What Ollama says of itself, and what follows from what it says. */
export const RESIDENCY = {
  up: gauge('ollama_up', 'Whether Ollama answers.'),
  versionInfo: gauge('ollama_version_info', 'Always 1; which version of Ollama answers.', ['version']),
  pollDuration: gauge('ollama_poll_duration_seconds', 'How long Ollama took for its last answer to each question.', [
    'endpoint',
  ]),
  loadedModels: gauge('ollama_loaded_models', 'Models in memory.'),
  loadedModelSize: gauge('ollama_loaded_model_size_bytes', 'Size of a model in memory.', MODEL),
  loadedModelVram: gauge('ollama_loaded_model_vram_bytes', 'What of it is on a GPU.', MODEL),
  loadedModelGpuRatio: gauge('ollama_loaded_model_gpu_ratio', 'The share of it that is on a GPU.', MODEL),
  loadedModelExpires: gauge(
    'ollama_loaded_model_expires_timestamp_seconds',
    'When it will be unloaded, if nobody asks for it before; it can lie in the past.',
    MODEL,
  ),
  loadedModelContext: gauge('ollama_loaded_model_context_tokens', 'The context length that it is loaded with.', MODEL),
  loadedModelInfo: gauge('ollama_loaded_model_info', 'Always 1; which version of a model is loaded.', [
    ...MODEL,
    ...DETAILS,
  ]),
  modelLoads: counter('ollama_model_load_events_total', 'Times that a model was loaded.', MODEL),
  modelUnloads: counter('ollama_model_unload_events_total', 'Times that a model was unloaded.', MODEL),
  modelsInstalled: gauge('ollama_models_installed', 'Models on disk.'),
  installedModelInfo: gauge('ollama_installed_model_info', 'Always 1; which version of a model is installed.', [
    ...MODEL,
    ...DETAILS,
  ]),
  modelCpuIntended: gauge(
    'ollama_model_cpu_intended',
    'Always 1; a model that the configuration file means to run on the CPU.',
    MODEL,
  ),
  latencyTarget: gauge('ollama_latency_target_seconds', 'What the configuration file wants of a model.', [
    ...MODEL,
    'tier',
    'metric',
    'quantile',
  ]),
} as const satisfies Record<string, MetricDefinition>

/** GPUs, of every vendor under the same names. */
export const GPUS = {
  expected: gauge(
    'ollama_gpu_expected',
    'Whether a GPU is configured or was ever seen, also when it is gone: what a CPU fallback is measured against.',
  ),
  info: gauge('ollama_gpu_info', 'Always 1; which GPU it is.', [...GPU, 'name', 'driver_version', 'vendor']),
  utilization: gauge('ollama_gpu_utilization_ratio', 'Share of the time in which a kernel ran on it, 0 to 1.', GPU),
  memoryUtilization: gauge(
    'ollama_gpu_memory_utilization_ratio',
    'Share of the time in which its memory was read or written, 0 to 1.',
    GPU,
  ),
  memoryUsed: gauge('ollama_gpu_memory_used_bytes', 'Memory in use.', GPU),
  memoryTotal: gauge('ollama_gpu_memory_total_bytes', 'Memory that it has.', GPU),
  memoryReserved: gauge('ollama_gpu_memory_reserved_bytes', 'Memory that driver and firmware keep.', GPU),
  temperature: gauge('ollama_gpu_temperature_celsius', 'Temperature of the GPU.', GPU),
  memoryTemperature: gauge('ollama_gpu_memory_temperature_celsius', 'Temperature of its memory.', GPU),
  power: gauge('ollama_gpu_power_watts', 'Power that it draws.', GPU),
  powerLimit: gauge('ollama_gpu_power_limit_watts', 'Power that it may draw.', GPU),
  energy: counter('ollama_gpu_energy_joules_total', 'Energy that it took, integrated from its power.', GPU),
  smClock: gauge('ollama_gpu_sm_clock_hertz', 'Clock of its multiprocessors.', GPU),
  memoryClock: gauge('ollama_gpu_memory_clock_hertz', 'Clock of its memory.', GPU),
  fan: gauge('ollama_gpu_fan_ratio', 'Fan speed over its maximum.', GPU),
  eccCorrected: gauge(
    'ollama_gpu_ecc_corrected_volatile_errors',
    'Memory errors that were corrected since the driver was loaded.',
    GPU,
  ),
  eccUncorrected: gauge(
    'ollama_gpu_ecc_uncorrected_volatile_errors',
    'Memory errors that were not corrected since the driver was loaded.',
    GPU,
  ),
  throttle: gauge('ollama_gpu_throttle_active', 'Whether its clocks are held down now, by reason.', [...GPU, 'reason']),
  performanceState: gauge('ollama_gpu_performance_state', 'The P in P0 to P15; 0 is the fastest.', GPU),
  persistenceMode: gauge('ollama_gpu_persistence_mode', 'Whether the driver stays loaded without clients.', GPU),
  migMode: gauge('ollama_gpu_mig_mode', 'Whether it is partitioned (MIG).', GPU),
  processMemory: gauge(
    'ollama_gpu_process_memory_bytes',
    'Memory that Ollama takes of it, and all others; with OLLASCOPE_GPU_PROCESSES.',
    [...GPU, 'process'],
  ),
} as const satisfies Record<string, MetricDefinition>

/** Containers, under the names of cAdvisor. */
export const CONTAINERS = {
  memoryUsage: gauge('container_memory_usage_bytes', 'Memory in use, with the page cache of model files.', CONTAINER),
  memoryWorkingSet: gauge(
    'container_memory_working_set_bytes',
    'Memory in use without inactive file pages: what the limit counts in the end.',
    CONTAINER,
  ),
  memoryRss: gauge('container_memory_rss', 'Anonymous memory, in bytes.', CONTAINER),
  memoryLimit: gauge('container_spec_memory_limit_bytes', 'Memory limit; 0 is none.', CONTAINER),
  cpuUsage: counter('container_cpu_usage_seconds_total', 'CPU time of all its processes.', CONTAINER),
  cpuQuota: gauge(
    'container_spec_cpu_quota',
    'CPU time that it may take in each period, in microseconds; absent without a limit.',
    CONTAINER,
  ),
  cpuPeriod: gauge('container_spec_cpu_period', 'Length of that period, in microseconds.', CONTAINER),
  networkReceive: counter('container_network_receive_bytes_total', 'Bytes received on all interfaces.', CONTAINER),
  networkTransmit: counter('container_network_transmit_bytes_total', 'Bytes sent on all interfaces.', CONTAINER),
  fsReads: counter('container_fs_reads_bytes_total', 'Bytes read from block devices.', CONTAINER),
  fsWrites: counter('container_fs_writes_bytes_total', 'Bytes written to block devices.', CONTAINER),
  oomEvents: counter(
    'container_oom_events_total',
    'Processes that the kernel killed in it for want of memory; kept for an hour after the container is gone.',
    CONTAINER,
  ),
  oomKillInfo: gauge(
    'ollama_oom_kill_info',
    'Always 1; the models around the last kill in a container, by state: resident, vanished or loading.',
    ['name', 'model', 'state'],
  ),
  startTime: gauge('container_start_time_seconds', 'When it was started, as a Unix time.', CONTAINER),
  lastSeen: gauge('container_last_seen', 'When it was seen last, as a Unix time.', CONTAINER),
  restarts: gauge('container_restarts', 'Times that its restart policy started it again.', CONTAINER),
  health: gauge('container_health_state', 'Its health check: 1 healthy, 0 unhealthy; else absent.', CONTAINER),
} as const satisfies Record<string, MetricDefinition>

/** The host, under the names of node_exporter. */
export const HOST = {
  memoryTotal: gauge('node_memory_MemTotal_bytes', 'Memory of the host.'),
  memoryAvailable: gauge('node_memory_MemAvailable_bytes', 'Memory that can be had without swapping.'),
  cpu: counter('node_cpu_seconds_total', 'Time that each CPU spent in each mode.', ['cpu', 'mode']),
  load1: gauge('node_load1', 'Load average of a minute.'),
  oomKills: gauge('node_vmstat_oom_kill', 'Processes that the kernel killed for want of memory since the host booted.'),
  filesystemAvailable: gauge(
    'node_filesystem_avail_bytes',
    'Space that is left where the models are stored.',
    FILESYSTEM,
  ),
  filesystemSize: gauge('node_filesystem_size_bytes', 'Space that there is where the models are stored.', FILESYSTEM),
} as const satisfies Record<string, MetricDefinition>

/** The collectors themselves. */
export const COLLECTORS = {
  enabled: gauge(
    'ollascope_collector_enabled',
    'Whether a collector runs: 0 where it is switched off, or what it reads is not there.',
    ['collector'],
  ),
  success: gauge('ollascope_collector_success', 'Whether the last run of a collector succeeded.', ['collector']),
  duration: gauge('ollascope_collector_duration_seconds', 'How long the last run of a collector took.', ['collector']),
  lastSuccess: gauge(
    'ollascope_collector_last_success_timestamp_seconds',
    'When a collector last succeeded, as a Unix time; 0 where it never did.',
    ['collector'],
  ),
  errors: counter('ollascope_collector_errors_total', 'Runs of a collector that failed, by reason.', [
    'collector',
    'reason',
  ]),
} as const satisfies Record<string, MetricDefinition>
