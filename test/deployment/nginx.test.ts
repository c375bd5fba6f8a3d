import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../helpers/needs.ts'
import { freePort, isTaken } from '../helpers/ports.ts'
import { ROOT, startProgram, startServe } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'
import { createGate, startStandIn } from '../helpers/stand-in.ts'
import { waitFor } from '../helpers/wait.ts'
import { createPair } from '../unit/config/certificates.ts'

const read = (name: string) => readFileSync(join(ROOT, 'deploy/nginx', name), 'utf8')

/** The shipped files with this machine's paths and ports in them; a replacement that finds nothing is a mistake. */
async function install(split: string) {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-lb-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const ports = { http: await freePort(), https: await freePort() }
  const { cert, key } = createPair()
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key)
  writeFileSync(join(folder, 'split.conf'), split)
  const places = [
    ['/tmp/', `${folder}/`],
    ['listen 8080;', `listen 127.0.0.1:${ports.http};`],
    ['listen 8443 ssl;', `listen 127.0.0.1:${ports.https} ssl;`],
    ['/run/secrets/tls/', `${folder}/`],
    ['/etc/nginx/split.conf', `${folder}/split.conf`],
    // One process has one turn of the weights, and nothing is left of it when it is killed.
    ['worker_processes auto;', 'daemon off; master_process off;'],
    ['/dev/stdout', `${folder}/access.log`],
  ] as const
  const config = places.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`nginx.conf has no ${from}`)
    return text.replaceAll(from, to)
  }, read('nginx.conf'))
  writeFileSync(join(folder, 'nginx.conf'), config)
  return { folder, ports, file: join(folder, 'nginx.conf') }
}

async function startNginx(split: string) {
  const { folder, ports, file } = await install(split)
  const nginx = startProgram('nginx', ['-p', folder, '-c', file, '-e', 'stderr'])
  await waitFor('nginx to listen', async () => {
    if (nginx.child.exitCode !== null) throw new Error(`nginx ended: ${nginx.stderr()}`)
    return (await isTaken(ports.https)) && (await isTaken(ports.http))
  })
  return { ports, log: () => readFileSync(join(folder, 'access.log'), 'utf8') }
}

interface Answer {
  readonly status: number | undefined
  readonly body: () => string
  readonly ended: Promise<void>
}

function ask(port: number, path: string, body?: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path, method: body === undefined ? 'GET' : 'POST', headers }
    const sent = request({ ...options, rejectUnauthorized: false }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      const ended = new Promise<void>((done) => answer.on('close', done))
      resolve({ status: answer.statusCode, body: () => Buffer.concat(parts).toString(), ended })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const splitOf = (...servers: readonly string[]) =>
  `upstream ollascope { zone ollascope 64k; ${servers.map((server) => `server ${server};`).join(' ')} keepalive 8; }`
/** As the proxy is set up in the stack. */
const env = { OLLASCOPE_ALLOWED_HOSTS: 'ollascope', OLLASCOPE_TRUSTED_PROXIES: '127.0.0.0/8' }

describeWith(['nginx'], 'nginx before the proxy', () => {
  test('takes its configuration, the shipped split too', async () => {
    const resolved = read('split.conf').replaceAll('ollascope:11435', '127.0.0.1:11435')
    expect(resolved).not.toBe(read('split.conf'))
    const { file, folder } = await install(resolved)
    const { code, stderr } = await runProgram('/usr/sbin/nginx', ['-t', '-p', folder, '-c', file, '-e', 'stderr'], '')
    expect(stderr).toContain('syntax is ok')
    expect(code).toBe(0)
  })

  test('streams over TLS, held back nowhere', async () => {
    const held = createGate(3)
    const standIn = await startStandIn({ speed: Infinity, gate: held.gate })
    const served = await startServe(standIn.port, { env })
    const nginx = await startNginx(splitOf(`127.0.0.1:${served.proxyPort}`))
    const answer = await ask(
      nginx.ports.https,
      '/api/generate',
      '{"model":"gemma3:270m","prompt":"The sky is blue because"}',
    )
    expect(answer.status).toBe(200)
    // Ollama waits: what came before is here already.
    await waitFor('the first tokens', () => answer.body().includes('"done":false'))
    expect(answer.body()).not.toContain('"done":true')
    held.open()
    await answer.ended
    expect(answer.body()).toContain('"done":true')
    const [receipt] = await served.receipts(1)
    expect(receipt).toMatchObject({ outcome: 'length', status: 200 })
    // Its line leads to the receipt.
    const line = await waitFor('the line of nginx', () => nginx.log().split('\n')[0] ?? undefined)
    expect(JSON.parse(line)).toMatchObject({ status: 200, request_id: receipt?.request_id })
  })

  test('splits by weight, and gives each server the name that it serves', async () => {
    const standIn = await startStandIn({ speed: Infinity })
    const stable = await startServe(standIn.port, { env })
    const canary = await startServe(standIn.port, { env })
    const nginx = await startNginx(
      splitOf(`127.0.0.1:${stable.proxyPort} weight=9`, `127.0.0.1:${canary.proxyPort} weight=1`),
    )
    for (let number = 0; number < 40; number++) {
      const answer = await ask(nginx.ports.https, '/api/version', undefined, { host: 'ollama.example.com' })
      await answer.ended
      expect(answer.status).toBe(200)
    }
    const [atStable, atCanary] = [await stable.samples(), await canary.samples()]
    expect(atStable.sum('ollama_requests_total')).toBe(36)
    expect(atCanary.sum('ollama_requests_total')).toBe(4)
  })

  test('asks nobody twice for what may have reached a model, and redirects plain HTTP', async () => {
    const broken = [await startServe(await freePort(), { env }), await startServe(await freePort(), { env })]
    const nginx = await startNginx(splitOf(...broken.map(({ proxyPort }) => `127.0.0.1:${proxyPort}`)))
    const answer = await ask(nginx.ports.https, '/api/generate', '{"model":"gemma3:270m","prompt":"x"}')
    await answer.ended
    expect(answer.status).toBe(502)
    const counts = await Promise.all(broken.map(async (one) => (await one.samples()).sum('ollama_requests_total')))
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1)

    const plain = await fetch(`http://127.0.0.1:${nginx.ports.http}/api/tags`, { redirect: 'manual' })
    expect([plain.status, plain.headers.get('location')]).toEqual([308, 'https://127.0.0.1/api/tags'])
    const health = await fetch(`http://127.0.0.1:${nginx.ports.http}/nginx-health`)
    expect(health.status).toBe(200)
  })
})
