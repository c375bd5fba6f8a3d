import { CollectError } from '../collector.ts'
import type { Ended } from './program.ts'

interface Failure {
  readonly reason: string
  readonly text: RegExp
  /** nvidia-smi's own exit codes that say the same. */
  readonly codes?: readonly number[]
  readonly advice: string
}

const FAILURES: readonly Failure[] = [
  {
    reason: 'driver_mismatch',
    text: /version mismatch/i,
    advice: 'the driver was updated and the old one is still loaded; reboot, or unload and load its kernel module',
  },
  {
    reason: 'device_handle',
    text: /unable to (determine|detect) the device handle|GPU is lost|fallen off the bus/i,
    codes: [15],
    advice: 'a GPU does not answer; look for "Xid" in the kernel log, and reboot',
  },
  {
    reason: 'unknown_error',
    text: /failed to initialize NVML: unknown error/i,
    advice:
      'in a container, "systemctl daemon-reload" on the host took the GPU away; restart the container, and give it the ' +
      '/dev/nvidia* devices by name so that it stays',
  },
  {
    reason: 'no_driver',
    text: /couldn't communicate with the NVIDIA driver|driver (is )?not loaded|couldn't find libnvidia-ml/i,
    codes: [9, 12],
    advice: 'the driver is not loaded; in a container, give it the GPU with NVIDIA_DRIVER_CAPABILITIES=utility',
  },
  {
    reason: 'permission',
    text: /insufficient permissions|GPU access blocked/i,
    codes: [4],
    advice: 'this user may not use the GPU; look at who may open /dev/nvidiactl',
  },
  {
    reason: 'fields',
    text: /is not a valid field to query/i,
    advice: 'its help offers a field that its query does not know; report it with the version of the driver',
  },
]

/** Why a run gave no table, with what it said and what to do. */
export function failureOfRun(ended: Ended): CollectError {
  const { code, signal } = ended
  const said = textOf(ended)
  const known = failureIn(said) ?? FAILURES.find(({ codes }) => code !== null && codes?.includes(code) === true)
  const quote = firstLine(said)
  if (known !== undefined) return new CollectError(known.reason, `nvidia-smi says "${quote}": ${known.advice}`)
  if (code === 0) return new CollectError('parse', `nvidia-smi gave no table of GPUs: "${quote}"; run it by hand`)
  const how = code === null ? `was ended by ${signal ?? 'a signal'}` : `ended with ${code}`
  return new CollectError('exit', `nvidia-smi ${how}: "${quote}"; run it by hand`)
}

/** Whether the query named a field that this driver does not know. */
export function isUnknownField(ended: Ended): boolean {
  return ended.code !== 0 && /is not a valid field to query/i.test(textOf(ended))
}

/** The driver works, and has no GPU. The same is said below the failure of an only GPU. */
export function isWithoutGpus(ended: Ended): boolean {
  const said = textOf(ended)
  return /^No devices (were )?found/im.test(said) && failureIn(said) === undefined
}

function failureIn(said: string): Failure | undefined {
  return FAILURES.find(({ text }) => text.test(said))
}

function textOf({ stdout, stderr }: Ended): string {
  return `${stdout}\n${stderr}`
}

function firstLine(text: string): string {
  const line = text.split('\n').find((one) => one.trim() !== '') ?? ''
  return line
    .trim()
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, 200)
}
