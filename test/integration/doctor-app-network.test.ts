import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { appNetwork } from '../../src/doctor/checks/app-network.ts'
import { describeWithDockerd, startDockerd, type Dockerd } from '../helpers/dockerd.ts'
import { describeWith } from '../helpers/needs.ts'
import { NODE, ROOT } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import { createPair } from '../unit/config/certificates.ts'
import { changesIn, checkAt, checkShortly, removeLater, startSocketProxy } from './doctor-dockerd.ts'
import { holding, matching } from './doctor-matchers.ts'

// Docker starts a container in its own time.
vi.setConfig({ testTimeout: 60_000 })

/** Node and what it is linked with, and this repository, in a container of BusyBox. */
const MOUNTS = [`${NODE}:/bin/node`, '/lib:/lib', '/lib64:/lib64', '/usr/lib:/usr/lib', `${ROOT}:/app`]
const WITH_NODE = MOUNTS.map((mount) => `--volume=${mount}:ro`)
const DEMO = 'node /app/src/main.ts demo &'
const PROXY = 'exec node /app/src/main.ts proxy'
const IDLE = 'exec sleep 600'

const SERVICE = '--label=com.docker.compose.service=ollascope'
/** As the stack has it. A name that Docker does not know is asked of nobody outside. */
const IN_FRONT = ['--network=front', '--dns=127.0.0.1']
const SHIPPED = [SERVICE, ...IN_FRONT, '--network-alias=ollascope', '--env=OLLASCOPE_LISTEN=:11435']

describeWithDockerd('app-network, with a real daemon', () => {
  let dockerd: Dockerd
  beforeAll(async () => {
    dockerd = await startDockerd()
    await dockerd.createNetwork('front')
    await dockerd.createNetwork('apps')
  }, 60_000)
  afterAll(() => dockerd.stop(), 60_000)

  /** The proxy's container, once this is answered inside of it. */
  async function start(script: string, args: readonly string[], url?: string): Promise<string> {
    const id = await dockerd.run(script, { name: 'stack_ollascope_1', args: [...WITH_NODE, ...args] })
    removeLater(dockerd, id)
    if (url === undefined) return id
    const isUp = () =>
      dockerd.docker('exec', id, 'wget', '-qO-', url).then(
        () => true,
        () => false,
      )
    await waitFor(`${url} in the container`, isUp, 25_000)
    return id
  }
  const HEALTH = 'http://127.0.0.1:9435/healthz'

  it('is ok where an app reaches Ollama by the name of the service, and changes nothing', async () => {
    const hosts = '--env=OLLASCOPE_ALLOWED_HOSTS=localhost,127.0.0.1,ollascope'
    const id = await start(`${DEMO} ${PROXY}`, [...SHIPPED, hosts], 'http://127.0.0.1:11435/api/tags')
    const before = await changesIn(dockerd, id)
    const detail = matching(/^http:\/\/ollascope:11435 answers in front, with [1-9]\d* models$/)
    expect(await checkAt(appNetwork, dockerd)).toEqual({ status: 'ok', detail })
    expect(await changesIn(dockerd, id)).toEqual(before)
  })

  it('fails where no name of the service is in the network', async () => {
    await start(PROXY, [SERVICE, ...IN_FRONT, '--env=OLLASCOPE_LISTEN=:11435'], HEALTH)
    expect(await checkAt(appNetwork, dockerd)).toEqual({
      status: 'fail',
      detail: matching(/^nobody knows the name ollascope in front \(\w+\)$/),
      fix: 'docker network disconnect front stack_ollascope_1; docker network connect --alias ollascope front stack_ollascope_1',
    })
  })

  it('warns where one of its networks lacks the name', async () => {
    const id = await start(`${DEMO} ${PROXY}`, SHIPPED, 'http://127.0.0.1:11435/api/tags')
    await dockerd.docker('network', 'connect', 'apps', id)
    expect(await checkAt(appNetwork, dockerd)).toEqual({
      status: 'warn',
      detail: 'http://ollascope:11435 answers, and apps knows no name ollascope',
      fix: 'docker network disconnect apps stack_ollascope_1; docker network connect --alias ollascope apps stack_ollascope_1',
    })
  })

  it('fails where it listens on loopback alone', async () => {
    const args = SHIPPED.filter((arg) => !arg.startsWith('--env'))
    await start(PROXY, args, HEALTH)
    expect(await checkAt(appNetwork, dockerd)).toEqual({
      status: 'fail',
      detail: holding('stack_ollascope_1 listens on 127.0.0.1:11435 alone'),
      fix: 'set OLLASCOPE_LISTEN=:11435 in stack_ollascope_1',
    })
  })

  it('fails where the name is not one of OLLASCOPE_ALLOWED_HOSTS', async () => {
    await start(PROXY, [...SHIPPED, '--env=OLLASCOPE_ALLOWED_HOSTS=localhost,127.0.0.1'], HEALTH)
    expect(await checkAt(appNetwork, dockerd)).toEqual({
      status: 'fail',
      detail: 'http://ollascope:11435 refuses the name ollascope (421)',
      fix: 'add ollascope to OLLASCOPE_ALLOWED_HOSTS',
    })
  })

  it('is ok where a token is asked for', async () => {
    const tokens = `echo "app:$(printf secret | sha256sum | cut -d' ' -f1)" > /tmp/tokens`
    await start(`${tokens}; ${PROXY}`, [...SHIPPED, '--env=OLLASCOPE_TOKENS_FILE=/tmp/tokens'], HEALTH)
    const detail = 'http://ollascope:11435 answers in front, and asks for a token (401)'
    expect(await checkAt(appNetwork, dockerd)).toEqual({ status: 'ok', detail })
  })

  it('fails where the proxy has no Ollama behind it', async () => {
    await start(PROXY, SHIPPED, HEALTH)
    expect(await checkAt(appNetwork, dockerd)).toEqual({
      status: 'fail',
      detail: matching(/^http:\/\/ollascope:11435\/api\/tags is answered 502 in front: ./),
      fix: 'docker logs --tail 50 stack_ollascope_1',
    })
  })

  it('fails where nobody listens', async () => {
    await start(IDLE, SHIPPED)
    expect(await checkAt(appNetwork, dockerd)).toEqual({
      status: 'fail',
      detail: 'nobody answers at http://ollascope:11435 in front (ECONNREFUSED)',
      fix: holding('docker logs'),
    })
  })

  it('fails where the proxy is stuck, and leaves nothing behind', async () => {
    const id = await start(PROXY, SHIPPED, HEALTH)
    process.kill(await dockerd.pidOf(id), 'SIGSTOP')
    expect(await checkShortly(appNetwork, dockerd)).toEqual({
      status: 'fail',
      detail: 'nobody answers at http://ollascope:11435 in front (ETIMEDOUT)',
      fix: holding('docker logs'),
    })
    expect(await dockerd.docker('top', id, '-eo', 'pid,args')).not.toContain(' -e')
  })

  it('fails where something else answers', async () => {
    const page = 'mkdir -p /tmp/www/api; echo "{}" > /tmp/www/api/tags; exec httpd -f -p 11435 -h /tmp/www'
    await start(page, SHIPPED, 'http://127.0.0.1:11435/api/tags')
    expect(await checkAt(appNetwork, dockerd)).toMatchObject({ status: 'fail', detail: holding('is no Ollama') })
  })

  it('asks by TLS where the proxy has a certificate', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ollascope-doctor-tls-'))
    try {
      const { cert, key } = createPair()
      writeFileSync(join(folder, 'cert.pem'), cert)
      writeFileSync(join(folder, 'key.pem'), key)
      const tls = ['--env=OLLASCOPE_TLS_CERT_FILE=/tls/cert.pem', '--env=OLLASCOPE_TLS_KEY_FILE=/tls/key.pem']
      await start(`${DEMO} ${PROXY}`, [...SHIPPED, ...tls, `--volume=${folder}:/tls:ro`], HEALTH)
      const detail = holding('https://ollascope:11435 answers in front')
      await waitFor('the stand-in', async () => (await checkAt(appNetwork, dockerd)).status === 'ok', 25_000)
      expect(await checkAt(appNetwork, dockerd)).toEqual({ status: 'ok', detail })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  describe('without compose', () => {
    it('takes the alias of a network for its name', async () => {
      const args = [...IN_FRONT, '--network-alias=gateway', '--env=OLLASCOPE_LISTEN=:8080']
      await start('exec sh -c "sleep 600" ollascope proxy', args)
      const result = await checkAt(appNetwork, dockerd)
      expect(result).toMatchObject({ status: 'fail', detail: holding('http://gateway:8080 in front (ECONNREFUSED)') })
    })
    it('knows the image by its label, whatever the container is called', async () => {
      const args = [...IN_FRONT, '--label=org.opencontainers.image.title=ollascope']
      const script = 'exec sh -c "sleep 600" ollascope serve'
      removeLater(dockerd, await dockerd.run(script, { name: 'gateway', args: [...WITH_NODE, ...args] }))
      const result = await checkAt(appNetwork, dockerd)
      expect(result).toMatchObject({ status: 'fail', detail: holding('http://gateway:11435') })
    })
  })

  describe('skips', () => {
    const typed = 'docker exec APP wget -qO- http://ollascope:11435/api/tags'

    it.each<[string, readonly string[], string | RegExp]>([
      ["on the host's network", ['--network=host'], /curl http:\/\/localhost:11435\/api\/tags$/],
      ['on no network', ['--network=none'], /docker network connect front stack_ollascope_1$/],
      ['where it asks for certificates', [...IN_FRONT, '--env=OLLASCOPE_TLS_CLIENT_CA_FILE=/ca'], `none: ${typed}`],
      ['on any port', [...IN_FRONT, '--env=OLLASCOPE_LISTEN=:0'], /port 0/],
    ])('%s', async (_where, args, detail) => {
      await start(IDLE, [SERVICE, ...args])
      expect(await checkAt(appNetwork, dockerd)).toEqual({ status: 'skip', detail: matching(detail) })
    })
    it('without a container of Ollascope, as where it is native', async () => {
      expect(await checkAt(appNetwork, dockerd)).toEqual({
        status: 'skip',
        detail: holding('docker exec APP wget -qO- http://host.docker.internal:11435/api/tags'),
      })
    })
    it('where it has no Node, or does not run', async () => {
      removeLater(dockerd, await dockerd.run(IDLE, { name: 'ollascope', args: SHIPPED }))
      expect(await checkAt(appNetwork, dockerd)).toEqual({
        status: 'skip',
        detail: matching(
          /^ollascope could not be asked \(exit 126: .*"node": executable file not found.*: docker exec APP /,
        ),
      })
      await dockerd.docker('kill', 'ollascope')
      expect(await checkAt(appNetwork, dockerd)).toEqual({ status: 'skip', detail: `ollascope is exited: ${typed}` })
    })
    it('where its Node cannot start', async () => {
      await start(IDLE, [...SHIPPED, '--env=NODE_OPTIONS=--no-such-option'])
      expect(await checkAt(appNetwork, dockerd)).toEqual({
        status: 'skip',
        detail: matching(/^stack_ollascope_1 could not be asked \(.*no-such-option.*\): docker exec APP /),
      })
    })
  })

  describeWith(['haproxy'], "behind the stack's socket proxy", () => {
    it('skips, and says what to type', async () => {
      await start(IDLE, SHIPPED)
      const OLLASCOPE_DOCKER_HOST = await startSocketProxy(dockerd)
      expect(await checkAt(appNetwork, dockerd, { OLLASCOPE_DOCKER_HOST })).toEqual({
        status: 'skip',
        detail: matching(/lets nobody run a program in a container \(405\): docker exec APP wget .*ollascope:11435/),
      })
    })
  })
})
