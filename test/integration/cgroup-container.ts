import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { waitFor } from '../helpers/wait.ts'

const HIERARCHIES = '/sys/fs/cgroup'
const CONTROLLERS = ['memory', 'cpu', 'cpuacct', 'blkio'] as const
const LIMIT_BYTES = 32 * 1024 * 1024

/** Whether cgroups of version 1 can be made here. */
export function canMakeCgroups(): boolean {
  try {
    for (const controller of CONTROLLERS) accessSync(join(HIERARCHIES, controller), constants.W_OK)
    return process.geteuid?.() === 0 && existsSync(join(HIERARCHIES, 'memory/memory.oom_control'))
  } catch {
    return false
  }
}

/** As a container of Docker: its own cgroups, and an `ollama serve` in them whose children can be killed. */
export interface FakeContainer {
  readonly id: string
  readonly pid: number
  readonly limitBytes: number
  /** A child takes more memory than there is. @returns the status with which it ended */
  readonly overload: () => Promise<number>
  /** All is gone. */
  readonly end: () => Promise<void>
}

export async function startContainer(id: string): Promise<FakeContainer> {
  const parents = CONTROLLERS.map((controller) => join(HIERARCHIES, controller, `ollascope-test-${process.pid}`))
  const folders = parents.map((parent) => join(parent, id))
  for (const folder of folders) mkdirSync(folder, { recursive: true })
  const set = (folder: string | undefined, file: string, value: number) =>
    writeFileSync(join(folder ?? '', file), String(value))
  set(folders[0], 'memory.limit_in_bytes', LIMIT_BYTES)
  const withSwap = 'memory.memsw.limit_in_bytes'
  if (existsSync(join(folders[0] ?? '', withSwap))) set(folders[0], withSwap, LIMIT_BYTES)
  set(folders[1], 'cpu.cfs_quota_us', 150_000)

  const home = mkdtempSync(join(tmpdir(), 'ollascope-ollama-'))
  symlinkSync('/bin/sh', join(home, 'ollama'))
  // The shell reads the script of that name: to the kernel it is `ollama serve`. It lives no longer than its stdin.
  writeFileSync(
    join(home, 'serve'),
    'echo up\nwhile read -r order; do tail /dev/zero >/dev/null 2>&1; echo "ended $?"; done\n',
  )
  const join_ = folders.map((folder) => `echo $$ > ${folder}/cgroup.procs`).join(' && ')
  const child = spawn('/bin/sh', ['-c', `${join_} && exec ./ollama serve`], {
    cwd: home,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (text: Buffer) => (said += text.toString()))
  let isOver = false
  const end = async () => {
    if (isOver) return
    isOver = true
    await kill(child)
    for (const folder of [...folders, ...parents]) await waitFor(`${folder} to be empty`, () => remove(folder))
    rmSync(home, { recursive: true })
  }
  onTestFinished(end)
  await waitFor('the fake Ollama', () => said.startsWith('up\n'))
  return {
    id,
    pid: child.pid ?? 0,
    limitBytes: LIMIT_BYTES,
    async overload() {
      said = ''
      child.stdin.write('load\n')
      const [, status] = await waitFor('the end of the child', () => /^ended (\d+)\n/.exec(said) ?? undefined)
      return Number(status)
    },
    end,
  }
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  if (child.exitCode !== null || child.signalCode !== null || !child.kill('SIGKILL')) return
  await exited
}

/** A cgroup whose last process was killed is busy for a moment. */
function remove(folder: string): boolean {
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EBUSY') return false
    return !existsSync(folder)
  }
}
