import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseAddress, pickSocket } from '../../../src/collectors/docker/address.ts'
import { explain } from '../../../src/collectors/docker/failures.ts'
import { failureOf } from '../../helpers/collect.ts'

describe('parseAddress', () => {
  it.each([
    ['unix:///run/x.sock', { sockets: ['/run/x.sock'] }],
    ['tcp://h:2375', { host: 'h', port: 2375 }],
    ['tcp://h', { host: 'h', port: 2375 }],
    ['tcp://h:80/', { host: 'h', port: 80 }],
    ['http://h:2375', { host: 'h', port: 2375 }],
    ['http://h:80', { host: 'h', port: 80 }],
    ['http://h', { host: 'h', port: 80 }],
    ['tcp://[::1]:2375', { host: '::1', port: 2375 }],
    ['h:2375', { host: 'h', port: 2375 }],
  ])('reads %s', (host, address) => expect(parseAddress(host, '/home/x', undefined)).toEqual(address))

  it('looks at the usual sockets, Docker before Podman', () => {
    const system = ['/var/run/docker.sock', '/home/x/.docker/run/docker.sock', '/run/podman/podman.sock']
    expect(parseAddress('', '/home/x', undefined)).toEqual({ sockets: system })
    const own = '/run/user/7/podman/podman.sock'
    expect(parseAddress('', '/home/x', '/run/user/7')).toEqual({ sockets: [...system, own] })
  })

  it.each([
    'ssh://h',
    'https://h',
    'npipe:////./pipe/x',
    'fd://',
    'tcp://',
    'tcp://u:p@h:1',
    'tcp://h:1/x',
    'unix://x',
  ])('does not take %s', (host) => expect(() => parseAddress(host, '/', undefined)).toThrow('unix:///path'))
})

describe('pickSocket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-sockets-'))
  const path = (name: string) => join(folder, name)

  it('takes the first socket that is there', async () => {
    onTestFinished(() => rmSync(folder, { recursive: true }))
    for (const name of ['b', 'c']) {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(path(name), resolve))
      onTestFinished(() => void server.close())
    }
    writeFileSync(path('file'), '')
    mkdirSync(path('folder'))
    expect(await pickSocket([path('a'), path('file'), path('folder'), path('b'), path('c')])).toBe(path('b'))
    expect(await failureOf(pickSocket([path('a'), path('folder')]))).toMatchObject({ name: 'Absent' })
  })

  it('names all that it looked at', async () => {
    expect(await failureOf(pickSocket(['/nowhere/a', '/nowhere/b']))).toMatchObject({
      name: 'Absent',
      message: expect.stringContaining('/nowhere/a, /nowhere/b') as string,
    })
  })
})

describe('explain', () => {
  const explained = (fields: object) => explain(Object.assign(new Error('it said'), fields), '/x.sock', false)

  it.each([
    [{ code: 'EACCES' }, 'permission', 'group'],
    [{ code: 'EPERM' }, 'permission', 'group'],
    [{ code: 'ECONNREFUSED' }, 'refused', 'start Docker'],
    [{ statusCode: 403 }, 'forbidden', 'EVENTS=1'],
    [{ statusCode: 401 }, 'forbidden', 'CONTAINERS=1'],
    [{ statusCode: 400 }, 'unreadable', 'it said'],
    [{ code: 'ENOTFOUND' }, 'unreachable', 'it said'],
    [{ code: 'ECONNRESET' }, 'unreachable', 'it said'],
  ])('makes of %j the reason %s, and says "%s"', (fields, reason, message) => {
    expect(explained(fields)).toMatchObject({ name: 'CollectError', reason })
    expect(explained(fields).message).toContain(message)
    expect(explained(fields).message).toContain('/x.sock')
  })

  it('takes a socket that vanished for absent', () => {
    expect(explained({ code: 'ENOENT' })).toMatchObject({ name: 'Absent' })
  })

  it('does not repeat more than a line of what a stranger answered', () => {
    expect(explain(new Error('x'.repeat(10_000)), '/x.sock', false).message.length).toBeLessThan(400)
  })
})
