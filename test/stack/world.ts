import { dirname, join } from 'node:path'
import { compose } from '../deployment/composed.ts'
import { startDockerd, type Dockerd } from '../helpers/dockerd.ts'
import { builtProgram } from '../helpers/process.ts'
import { makeBaseImages } from './images.ts'
import { run } from './run.ts'
import { copyCheckout, createStack, sendPagesTo, type Stack } from './stack.ts'

/** A server with a Docker daemon, a checkout, the images of the stack, and no way out. It goes with the daemon. */
export interface World {
  readonly dockerd: Dockerd
  readonly checkout: string
  /** Production on a server without a GPU, beside a balancer and a node exporter; Ollama is the stand-in. */
  readonly cpu: Stack
  /** On a developer's machine, with a native Ollama. */
  readonly dev: Stack
  /** On Linux with a native Ollama on loopback. */
  readonly linux: Stack
}

/** The services of `cpu`, and those that its profiles add. */
export const SERVICES = [
  'ollascope',
  'ollascope-collector',
  'docker-socket-proxy',
  'ollama',
  'prometheus',
  'alertmanager',
]
export const PROFILES = { lb: 'nginx', 'node-exporter': 'node-exporter' } as const

/** Programs that are needed beside those of a private daemon. */
export const NEEDS = ['debootstrap', 'docker-compose', 'nsenter', 'unshare', 'iptables', 'openssl', 'make', 'npm']

/** Fetches and builds all that there is to be, a minute or two, and tells what plays what. */
export async function startWorld(): Promise<World> {
  builtProgram()
  // With no storage driver named it takes the best that works here.
  const dockerd = await startDockerd({ args: ['--storage-driver='] })
  // All in the daemon's folder, which goes with it.
  const folder = join(dirname(dockerd.socket), 'stack')
  const checkout = join(folder, 'ollascope')
  const profiles = Object.keys(PROFILES)
  const cpu = createStack(dockerd, checkout, { stack: 'cpu', profiles, overrides: ['left-out.yml', 'stand-in.yml'] })
  const dev = createStack(dockerd, checkout, { stack: 'dev', overrides: ['left-out.yml'] })
  const linux = createStack(dockerd, checkout, { stack: 'linux', overrides: ['left-out.yml'] })
  try {
    copyCheckout(checkout)
    sendPagesTo('http://webhook:8080', checkout)
    const composed = await compose('cpu')
    const played = await makeBaseImages(dockerd, composed, folder)
    await cpu.make('secrets')
    await makeCertificate(join(checkout, 'deploy/secrets/tls'))
    // Packages can be fetched only now. What `make up` builds later comes from the cache.
    const beganMs = performance.now()
    await cpu.compose('build')
    const seconds = Math.round((performance.now() - beganMs) / 1000)
    await dev.compose('build')
    await dockerd.isolate()
    const there = [...SERVICES, ...Object.values(PROFILES)]
    const leftOut = Object.keys(composed.services).filter((name) => !there.includes(name))
    console.log(`${played.join('\n')}
ollama/ollama: the stand-in, \`ollascope demo\`
left out, since no registry of images is reached: ${leftOut.join(', ')}
the image of Ollascope was built in ${seconds} s`)
  } catch (error) {
    await dockerd.stop()
    throw error
  }
  return { dockerd, checkout, cpu, dev, linux }
}

/** For the balancer; nobody is to believe it. */
async function makeCertificate(folder: string): Promise<void> {
  const files = [join(folder, 'key.pem'), join(folder, 'cert.pem')] as const
  const subject = ['-subj', '/CN=localhost', '-keyout', files[0], '-out', files[1]]
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject])
  await run('chmod', ['444', ...files])
}
