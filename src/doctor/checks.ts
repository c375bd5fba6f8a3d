import type { Check } from './check.ts'
import { appNetwork } from './checks/app-network.ts'
import { clock } from './checks/clock.ts'
import { containers, docker, dockerGpu } from './checks/docker.ts'
import { gpuExpected, gpuProcess, metal, nvidia, rocm } from './checks/gpu.ts'
import { gpuInContainer } from './checks/gpu-in-container.ts'
import { inventory } from './checks/inventory.ts'
import { ollamaLog } from './checks/log.ts'
import { disk, dockerMemory, ram, vram } from './checks/memory.ts'
import { firstAnswer, modelsOnGpu, speed } from './checks/models.ts'
import { proxy, upstream } from './checks/ollama.ts'
import { admin, collectors, metrics, stateDir } from './checks/ollascope.ts'
import { ports } from './checks/ports.ts'
import { alertmanager, prometheusRules, prometheusTargets } from './checks/prometheus.ts'

/** All of them, in the order of the table. A new one is an object in its file, and a name here. */
export const CHECKS: readonly Check[] = [
  inventory,
  upstream,
  proxy,
  ports,
  admin,
  metrics,
  collectors,
  stateDir,
  gpuExpected,
  nvidia,
  rocm,
  metal,
  modelsOnGpu,
  gpuProcess,
  ollamaLog,
  firstAnswer,
  speed,
  vram,
  ram,
  disk,
  docker,
  containers,
  appNetwork,
  dockerGpu,
  gpuInContainer,
  dockerMemory,
  prometheusRules,
  prometheusTargets,
  alertmanager,
  clock,
]
