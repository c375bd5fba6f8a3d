import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWithDockerd, startDockerd, type Dockerd } from '../helpers/dockerd.ts'
import { describeWith } from '../helpers/needs.ts'
import { freePort, isTaken } from '../helpers/ports.ts'
import { ROOT, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'

/** The rights of every service of the stack. */
const HARDENED = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges', '--pids-limit=256']

/** Status, and whether the daemon's own answer came. Ends when the headers are there. */
function ask(port: number, method: string, path: string, body = ''): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', method, path, agent: false }, (answer) => {
      resolve(answer.statusCode)
      answer.destroy()
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

describeWithDockerd('a real daemon and the stack', () => {
  let dockerd: Dockerd
  beforeAll(async () => {
    dockerd = await startDockerd()
  }, 60_000)
  afterAll(() => dockerd.stop(), 60_000)

  describeWith(['haproxy'], 'the socket proxy', () => {
    let stopProxy: () => Promise<void> = () => Promise.resolve()
    let port = 0
    let id = ''

    beforeAll(async () => {
      id = await dockerd.run('sleep 600', { name: 'watched' })
      port = await freePort()
      const shipped = readFileSync(join(ROOT, 'deploy/socket-proxy/haproxy.cfg'), 'utf8')
      const config = shipped
        .replace('bind :2375', `bind 127.0.0.1:${port}`)
        .replace('/var/run/docker.sock', dockerd.socket)
      expect(config).not.toContain('/var/run/docker.sock')
      const file = join(dockerd.socket, '../haproxy.cfg')
      writeFileSync(file, config)
      const env = { CONTAINERS: '1', EVENTS: '1', INFO: '1' }
      const proxy = startProgram('haproxy', ['-f', file], { env, onEnd: (stop) => (stopProxy = stop) })
      await waitFor('haproxy to listen', () => {
        if (proxy.child.exitCode !== null) throw new Error(`haproxy ended: ${proxy.stderr()}`)
        return isTaken(port)
      })
    }, 60_000)
    afterAll(() => stopProxy())

    test.each([
      '/_ping',
      '/version',
      '/v1.41/version',
      '/info',
      '/containers/json?all=1',
      '/v1.41/containers/watched/json',
    ])('lets GET %s through', async (path) => {
      expect(await ask(port, 'GET', path)).toBe(200)
    })

    test('lets the stream of events and a container’s figures through', async () => {
      expect(await ask(port, 'GET', `/containers/${id}/stats?stream=false`)).toBe(200)
      // Its headers come with the first event.
      const events = ask(port, 'GET', '/events?since=1')
      await dockerd.docker('rename', 'watched', 'renamed')
      await dockerd.docker('rename', 'renamed', 'watched')
      expect(await events).toBe(200)
    })

    test.each([
      ['POST', '/containers/create'],
      ['POST', '/containers/watched/stop'],
      ['DELETE', '/containers/watched'],
      ['PUT', '/containers/watched/archive?path=/'],
      ['POST', '/containers/watched/exec'],
    ])('refuses %s %s', async (method, path) => {
      expect(await ask(port, method, path, '{}')).toBe(405)
    })

    test.each([
      // These read any file of any container, its secrets too.
      '/containers/watched/archive?path=/etc/passwd',
      '/containers/watched/export',
      '/containers/watched/logs?stdout=1',
      '/containers/watched/top',
      '/images/json',
      '/secrets',
      '/volumes',
      '/networks',
      '/system/df',
      '/containers/watched/json/../archive',
      '/containers/watched%2farchive',
      '//containers/json',
      '/v1.41/v1.41/images/json',
      '/v1.41/../images/json',
    ])('refuses GET %s', async (path) => {
      expect([400, 403]).toContain(await ask(port, 'GET', path))
    })

    test('still has its container', async () => {
      expect(await dockerd.docker('inspect', '--format={{.State.Running}}', 'watched')).toBe('true')
    })
  })

  test('docker-compose.oom.yml: root without capabilities reads the count of an Ollama that has none either', async () => {
    await dockerd.run('sleep 600', { name: 'ollama', args: HARDENED })
    await dockerd.run('sleep 600', { name: 'privileged', args: ['--read-only'] })
    const look = (user: string, beside: string) =>
      dockerd.docker(
        ...['run', '--rm', '--network=none', ...HARDENED, `--user=${user}`, `--pid=container:${beside}`],
        ...['busybox', 'sh', '-c', 'ls /proc/1/root/sys/fs/cgroup/ >/dev/null 2>&1 && echo reads || echo refused'],
      )
    expect(await look('0:0', 'ollama')).toBe('reads')
    // Why it cannot be the user that the collector is elsewhere, and why Ollama must have no capability.
    expect(await look('1000:1000', 'ollama')).toBe('refused')
    expect(await look('0:0', 'privileged')).toBe('refused')
  }, 60_000)
})
