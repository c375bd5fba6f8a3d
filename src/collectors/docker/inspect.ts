import type { Container } from '../containers.ts'
import { amountOf, fieldsOf, idOf, textOf, type Fields } from './fields.ts'

/** What a daemon knows of a container. */
export interface Inspected extends Container {
  /** State.OOMKilled: which of its processes was killed, and when, differs between Docker's versions. */
  readonly oomKilled: boolean
  readonly restarts: number | undefined
  /** `undefined` without a health check, and before its first result. */
  readonly healthy: boolean | undefined
  /** Bytes; 0 is no limit. */
  readonly memoryLimit: number | undefined
  /** Microseconds of CPU time in each period of so many; `undefined` without a limit. */
  readonly cpuLimit: { readonly quota: number; readonly period: number } | undefined
}

/** Reads what `inspect` gives; `undefined` where it is something else. */
export function parseInspect(json: unknown): Inspected | undefined {
  const { Id, Name, Config, State, HostConfig, RestartCount } = fieldsOf(json)
  const id = idOf(Id)
  const name = textOf(Name)?.replace(/^\//, '')
  if (id === undefined || !name) return undefined
  const state = fieldsOf(State)
  const limits = fieldsOf(HostConfig)
  return {
    id,
    name,
    image: textOf(fieldsOf(Config).Image) ?? '',
    pid: state.Running === true ? positiveOf(state.Pid) : undefined,
    startedAt: timeOf(state.StartedAt),
    oomKilled: state.OOMKilled === true,
    restarts: amountOf(RestartCount),
    healthy: healthOf(fieldsOf(state.Health).Status),
    memoryLimit: amountOf(limits.Memory),
    cpuLimit: cpuLimitOf(limits),
  }
}

/** Docker writes 0 for what is not there. */
function positiveOf(value: unknown): number | undefined {
  return amountOf(value) === 0 ? undefined : amountOf(value)
}

/** Milliseconds since 1970; 0 for the year 1, which stands for never. */
function timeOf(value: unknown): number {
  const time = Date.parse(textOf(value) ?? '')
  return time > 0 ? time : 0
}

function healthOf(status: unknown): boolean | undefined {
  return status === 'healthy' ? true : status === 'unhealthy' ? false : undefined
}

const PERIOD_US = 100_000

/** `--cpus` is kept in billionths of a CPU, `--cpu-quota` as it is. */
function cpuLimitOf({ NanoCpus, CpuQuota, CpuPeriod }: Fields): Inspected['cpuLimit'] {
  const nanoCpus = positiveOf(NanoCpus)
  if (nanoCpus !== undefined) return { quota: (nanoCpus / 1e9) * PERIOD_US, period: PERIOD_US }
  const quota = positiveOf(CpuQuota)
  return quota === undefined ? undefined : { quota, period: positiveOf(CpuPeriod) ?? PERIOD_US }
}
