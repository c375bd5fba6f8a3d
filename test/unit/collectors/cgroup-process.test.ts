import { describe, expect, it } from 'vitest'
import {
  containerIdInMounts,
  containerIdInPath,
  isServer,
  parseBootTime,
  parseMembership,
  parseStat,
} from '../../../src/collectors/cgroup/process.ts'
import { parseMountinfo } from '../../../src/collectors/host/mountinfo.ts'

const ID = 'a1'.repeat(32)
const OTHER = 'b2'.repeat(32)
const POD = 'pod0a5d7c6e-8f0f-4a39-9d5e-1c1f6b7f0f11'

describe('the id of a container, by the path of its cgroup', () => {
  it.each([
    ['Docker, cgroupfs', `/docker/${ID}`],
    ['Docker, systemd', `/system.slice/docker-${ID}.scope`],
    ['Docker, seen from another cgroup namespace', `/../docker-${ID}.scope`],
    ['Docker with a parent of its own', `/gpu/${ID}`],
    ['a cgroup within it', `/system.slice/docker-${ID}.scope/init`],
    ['a service within it', `/docker/${ID}/system.slice/ollama.service`],
    ['containerd, cgroupfs', `/kubepods/burstable/${POD}/${ID}`],
    ['containerd, systemd', `/kubepods.slice/kubepods-${POD}.slice/cri-containerd-${ID}.scope`],
    [
      'containerd, slices without systemd',
      `/system.slice/containerd.service/kubepods-${POD}.slice:cri-containerd:${ID}`,
    ],
    ['CRI-O', `/kubepods.slice/kubepods-${POD}.slice/crio-${ID}.scope`],
    ['Podman', `/machine.slice/libpod-${ID}.scope/container`],
    ['Podman without root', `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope`],
    ['a container in a container', `/docker/${OTHER}/kubelet.slice/cri-containerd-${ID}.scope`],
  ])('is known with %s', (_title, path) => {
    expect(containerIdInPath(path)).toBe(ID)
  })

  it.each([
    '/',
    '/system.slice/ollama.service',
    `/docker/${ID}0`,
    `/docker/${ID.slice(1)}`,
    `/x${ID}`,
    `/${ID}.service`,
  ])('is not in %s', (path) => {
    expect(containerIdInPath(path)).toBeUndefined()
  })
})

describe('the id of a container, by what is mounted into it', () => {
  const mounted = (root: string, place: string) =>
    containerIdInMounts(
      parseMountinfo(`1 2 8:1 / / rw - ext4 /dev/sda rw\n9 1 8:1 ${root} ${place} rw - ext4 /dev/sda rw\n`),
    )

  it.each([
    [`/var/lib/docker/containers/${ID}/hostname`, '/etc/hostname'],
    [`/docker/containers/${ID}/resolv.conf`, '/etc/resolv.conf'],
    [`/containers/storage/overlay-containers/${ID}/userdata/hosts`, '/etc/hosts'],
  ])('is in %s at %s', (root, place) => {
    expect(mounted(root, place)).toBe(ID)
  })

  it.each([
    ['of another container, mounted elsewhere', `/var/lib/docker/containers/${ID}/hostname`, '/mnt/hostname'],
    ['of a sandbox of containerd', `/var/lib/containerd/sandboxes/${ID}/hostname`, '/etc/hostname'],
    ['of a volume', `/var/lib/docker/volumes/${ID}/hosts`, '/etc/hosts'],
  ])('is not that %s', (_title, root, place) => {
    expect(mounted(root, place)).toBeUndefined()
  })
})

describe('the cgroups of a process', () => {
  it('are of version 2 where there is nothing else', () => {
    expect(parseMembership('0::/system.slice/a:b.service\n')).toMatchObject({
      version: 2,
      path: '/system.slice/a:b.service',
    })
  })

  it('are of version 1 where that has the memory', () => {
    const membership = parseMembership('9:memory:/m\n4:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/u\n')
    expect(membership).toMatchObject({ version: 1, path: '/m' })
    expect(membership?.controllers.get('cpuacct')).toEqual({ path: '/c', all: 'cpu,cpuacct' })
  })

  it('are of version 2 where version 1 has other controllers only', () => {
    expect(parseMembership('2:net_cls,net_prio:/n\n1:name=systemd:/s\n0::/u\n')).toMatchObject({
      version: 2,
      path: '/u',
    })
  })

  it.each(['', '\n', 'memory', '9:memory', '0::relative', '2:cpu:/c\n'])('are unknown by %j', (text) => {
    expect(parseMembership(text)).toBeUndefined()
  })
})

describe('the state of a process', () => {
  const rest = `S 17 1 1 0 -1 4194560 6410 0 23 0 31 12 0 0 20 0 14 0 412233 2262069248 16051`

  it.each([
    ['ollama', `1 (ollama) ${rest}`],
    ['a) S 1 (b', `1 (a) S 1 (b) ${rest}`],
    ['two\nlines', `1 (two\nlines) ${rest}\n`],
  ])('has the command %j', (command, text) => {
    expect(parseStat(text)).toEqual({ command, parent: 17, startTicks: 412233 })
  })

  it.each(['', '1 (ollama)', '1 (ollama) S', `1 ollama ${rest}`, `1 (ollama) ${rest.replace('412233', '-1')}`])(
    'is unknown by %j',
    (text) => {
      expect(parseStat(text)).toBeUndefined()
    },
  )
})

describe('the server', () => {
  it.each(['ollama\0serve\0', '/usr/local/bin/ollama\0serve\0', 'ollama\0start\0', 'ollama\0', 'ollama'])(
    'is %j',
    (line) => {
      expect(isServer(line)).toBe(true)
    },
  )

  it.each([
    ['a runner', '/usr/bin/ollama\0runner\0--port\x004321\0'],
    ['a client', 'ollama\0run\0gemma3\0'],
    ['the shell around it', '/bin/sh\0-c\0ollama serve\0'],
    ['the client of Docker', 'docker\0run\0ollama/ollama\0serve\0'],
    ['another program', 'ollamad\0serve\0'],
    ['nothing', ''],
  ])('is not %s', (_title, line) => {
    expect(isServer(line)).toBe(false)
  })
})

describe('the time of the boot', () => {
  it('is in /proc/stat', () => {
    expect(parseBootTime('cpu 1 2\nbtime 1795000000\nprocesses 3\n')).toBe(1795000000)
  })

  it.each(['', 'btime\n', 'btime -1\n', 'xbtime 17\n'])('is not in %j', (text) => {
    expect(parseBootTime(text)).toBeUndefined()
  })
})
