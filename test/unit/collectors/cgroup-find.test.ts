import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { failureOf } from '../../helpers/collect.ts'
import { OLLAMA_ID, plantFiles, plantMachine, put, readMachine } from './cgroup-machine.ts'

const BOOTED_MS = 1_795_000_000_000

describe('Ollama is found', () => {
  it.each([
    ['as process 1 of a shared pid namespace', 'docker-v2-shared-pid', { pid: 1, startedAt: BOOTED_MS + 4_122_330 }],
    ['there, with version 1', 'docker-v1-shared-pid', { pid: 1, startedAt: BOOTED_MS + 4_122_330 }],
    ['in a pod, beside the process that holds it', 'kubernetes-v2', { pid: 7, startedAt: BOOTED_MS + 4_122_330 }],
    [
      'in a container with a shell around it, by its first process',
      'docker-v1-host',
      { pid: 3030, startedAt: BOOTED_MS + 4_122_330 },
    ],
    [
      'in its own container, by what is mounted into it',
      'same-container-v2',
      { pid: 1, startedAt: BOOTED_MS + 4_122_330 },
    ],
  ] as const)('%s', async (_title, name, { pid, startedAt }) => {
    const found = await plantMachine(name).reader.findOllama('ollama')
    expect(found).toEqual([{ id: OLLAMA_ID, name: 'ollama', image: '', pid, startedAt }])
  })

  it.each(['systemd-v2', 'systemd-hybrid'] as const)('as a service, by its name: %s', async (name) => {
    const service = { id: '812:2201', name: 'ollama.service', image: '', pid: 812, startedAt: BOOTED_MS + 22_010 }
    expect(await plantMachine(name).reader.findOllama('whatever')).toEqual([service])
  })

  it('where its id is hidden, by its first process', async () => {
    const { reader } = plantMachine('same-container-v2', { 'proc/1/mountinfo': '' })
    expect(await reader.findOllama('ollama')).toMatchObject([{ id: '1:412233', name: 'ollama', pid: 1 }])
  })

  it('where it can locate what it found', async () => {
    for (const name of ['docker-v2-shared-pid', 'docker-v1-host', 'systemd-v2', 'same-container-v2'] as const) {
      const { reader } = plantMachine(name)
      const [{ pid = 0, id } = {}] = await reader.findOllama('ollama')
      expect(await reader.locate(pid, id), name).toBeDefined()
    }
  })

  it('started when it was, also when the clock is set', async () => {
    const machine = plantMachine('systemd-v2')
    const before = await machine.reader.findOllama('ollama')
    put(machine.folder, 'proc/stat', 'btime 1795000001\n')
    expect(await machine.reader.findOllama('ollama')).toEqual(before)
  })

  it('once, where a second one was started in its container', async () => {
    const { files } = readMachine('kubernetes-v2')
    const { reader } = plantMachine('kubernetes-v2', {
      'proc/5/stat': files['proc/7/stat']?.replace('7 (', '5 (').replace('412233', '600000'),
      'proc/5/cmdline': files['proc/7/cmdline'],
      'proc/5/cgroup': files['proc/7/cgroup'],
      'proc/5/mountinfo': files['proc/7/mountinfo'],
      'proc/5/root/sys/fs/cgroup/memory.events': 'oom_kill 0\n',
    })
    expect(await reader.findOllama('ollama')).toMatchObject([{ pid: 7 }])
  })

  it('twice in two containers, under two names', async () => {
    const { files } = readMachine('kubernetes-v2')
    const other = 'd'.repeat(64)
    const moved = (text = '') => text.replaceAll(OLLAMA_ID, other).replace('7 (', '70 (')
    const { reader } = plantMachine('kubernetes-v2', {
      ...Object.fromEntries(
        ['stat', 'cmdline', 'cgroup', 'mountinfo'].map((file) => [`proc/70/${file}`, moved(files[`proc/7/${file}`])]),
      ),
      'proc/70/root/sys/fs/cgroup/memory.events': 'oom_kill 0\n',
    })
    const names = (await reader.findOllama('ollama')).map(({ name }) => name)
    expect(names).toEqual([`ollama-${OLLAMA_ID.slice(0, 12)}`, 'ollama-dddddddddddd'])
  })

  it('as a service of any name', async () => {
    const { files, links } = readMachine('systemd-v2')
    const { reader } = plantFiles(renamed(files, 'ollama.service', 'llm.service'), links)
    expect(await reader.findOllama('x')).toMatchObject([{ pid: 812, name: 'llm.service' }])
  })

  it('by the file that was started, and not in its children', async () => {
    const elsewhere = {
      'proc/31/cgroup': `0::/../docker-${'e'.repeat(64)}.scope\n`,
      'proc/31/cmdline': 'ollama\0serve\0',
      'proc/31/mountinfo': `9 1 0:28 /../docker-${'e'.repeat(64)}.scope /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n`,
      'proc/31/root/sys/fs/cgroup/memory.events': 'oom_kill 0\n',
    }
    const { files } = readMachine('docker-v2-shared-pid')
    const stranger = { ...elsewhere, 'proc/31/stat': files['proc/31/stat']?.replace('(ollama) S 1', '(sh) S 0') }
    for (const changes of [elsewhere, stranger])
      expect(await plantMachine('docker-v2-shared-pid', changes).reader.findOllama('x')).toMatchObject([{ pid: 1 }])
  })

  it('as a service with a script around it, if the service is called so', async () => {
    const { files } = readMachine('systemd-v2')
    const script = {
      'proc/800/stat': files['proc/812/stat']?.replace('812 (ollama)', '800 (sh)').replace('2201', '2190'),
      'proc/800/cgroup': files['proc/812/cgroup'],
      'proc/812/stat': files['proc/812/stat']?.replace('S 1 812', 'S 800 812'),
    }
    expect(await plantMachine('systemd-v2', script).reader.findOllama('x')).toMatchObject([
      { pid: 800, name: 'ollama.service' },
    ])
    const terminal = plantFiles(renamed({ ...files, ...script }, 'ollama.service', 'terminal.service'))
    expect(await failureOf(terminal.reader.findOllama('x'))).toMatchObject({
      name: 'Absent',
      message: expect.stringContaining('shares the cgroup /system.slice/terminal.service') as string,
    })
  })
})

describe('Ollama is absent', () => {
  it.each([
    [
      'no process is Ollama',
      'kubernetes-v2',
      { 'proc/7/stat': undefined, 'proc/31/stat': undefined },
      'no "ollama serve"',
    ],
    [
      'only a client runs',
      'systemd-v2',
      { 'proc/812/stat': undefined, 'proc/2031/stat': undefined },
      'no "ollama serve"',
    ],
    [
      'a terminal holds it',
      'session-v2',
      {},
      'Ollama (process 1922) shares the cgroup /user.slice/user-1000.slice/session-3.scope',
    ],
    [
      'it was left behind in a session',
      'session-v2',
      { 'proc/1922/stat': readMachine('session-v2').files['proc/1922/stat']?.replace('S 1800', 'S 1') },
      'Ollama (process 1922) shares the cgroup /user.slice',
    ],
    [
      'it is in no cgroup of its own',
      'systemd-v2',
      { 'proc/812/cgroup': '0::/\n' },
      'shares the cgroup / with other programs',
    ],
  ] as const)('where %s', async (_title, name, changes, message) => {
    const failure = await failureOf(plantMachine(name, changes).reader.findOllama('ollama'))
    expect(failure).toMatchObject({ name: 'Absent', message: expect.stringContaining(message) as string })
  })

  it('where there is no /proc', async () => {
    expect(await failureOf(plantFiles({}).reader.findOllama('ollama'))).toMatchObject({ name: 'Absent' })
  })

  it('where there is no cgroup file system', async () => {
    const { files } = readMachine('docker-v2-shared-pid')
    const proc = Object.entries(files).filter(([path]) => /^proc\/(?!1\/root)/.test(path))
    expect(await failureOf(plantFiles(Object.fromEntries(proc)).reader.findOllama('ollama'))).toMatchObject({
      name: 'Absent',
      message: expect.stringContaining('no cgroup file system') as string,
    })
  })
})

describe('Ollama is there and cannot be read', () => {
  it('where its cgroup lies outside of all that is mounted', async () => {
    const { reader } = plantMachine('docker-v2-shared-pid', { 'proc/1/mountinfo': undefined })
    expect(await failureOf(reader.findOllama('ollama'))).toMatchObject({
      name: 'CollectError',
      reason: 'unreadable',
      message: expect.stringContaining('cannot be seen from here') as string,
    })
  })

  it('where another one is in a terminal', async () => {
    const { reader } = plantMachine('systemd-v2', {
      'proc/1922/cmdline': 'ollama\0serve\0',
      'proc/5/stat': readMachine('systemd-v2').files['proc/812/stat']?.replace('812 (', '5 ('),
      'proc/5/cmdline': 'ollama\0serve\0',
      'proc/5/cgroup': '0::/user.slice/user-0.slice/session-1.scope\n',
      'sys/fs/cgroup/system.slice/ollama.service/memory.events': undefined,
    })
    expect(await failureOf(reader.findOllama('ollama'))).toMatchObject({
      reason: 'unreadable',
      message: expect.stringContaining('the cgroup /system.slice/ollama.service of Ollama (process 812)') as string,
    })
  })

  it('where this user may not see its file system', async () => {
    const machine = plantMachine('docker-v2-shared-pid')
    chmodSync(machine.folder, 0o755)
    chmodSync(join(machine.procRoot, '1/root'), 0o000)
    await asNobody(async () => {
      expect(await failureOf(machine.reader.findOllama('ollama'))).toMatchObject({
        name: 'CollectError',
        reason: 'permission',
        message: expect.stringContaining('SYS_PTRACE') as string,
      })
      expect(await machine.reader.locate(1)).toBeUndefined()
    })
    chmodSync(join(machine.procRoot, '1/root'), 0o755)
  })

  it('where the kernel does not say when it was booted', async () => {
    const { reader } = plantMachine('systemd-v2', { 'proc/stat': 'cpu 1 2 3\n' })
    expect(await failureOf(reader.findOllama('x'))).toMatchObject({ reason: 'unreadable' })
  })

  it('where the run is over', async () => {
    const { reader } = plantMachine('systemd-v2')
    expect(await failureOf(reader.findOllama('x', AbortSignal.abort()))).toMatchObject({ name: 'AbortError' })
  })
})

function renamed(
  files: Readonly<Record<string, string | undefined>>,
  from: string,
  to: string,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([path, text = '']) => [path.replace(from, to), text.replace(from, to)]),
  )
}

/** Root may read everything. */
async function asNobody(act: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return act()
  process.seteuid?.(65_534)
  try {
    await act()
  } finally {
    process.seteuid?.(0)
  }
}
