/** What can be collected, in the order in which it is told. */
export const COLLECTOR_NAMES = ['ollama', 'nvidia', 'amd', 'docker', 'cgroup', 'host'] as const
export type CollectorName = (typeof COLLECTOR_NAMES)[number]
