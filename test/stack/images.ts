import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { serviceOf, type Composed } from '../deployment/composed.ts'
import type { Dockerd } from '../helpers/dockerd.ts'
import { ROOT } from '../helpers/process.ts'
import { run } from './run.ts'

/** What Debian has of the programs of others: the service, the package, and how its image starts it. */
const PLAYED = [
  ['prometheus', 'prometheus', 'ENTRYPOINT ["/usr/bin/prometheus"]'],
  ['alertmanager', 'prometheus-alertmanager', 'ENTRYPOINT ["/usr/bin/prometheus-alertmanager"]'],
  ['node-exporter', 'prometheus-node-exporter', 'ENTRYPOINT ["/usr/bin/prometheus-node-exporter"]'],
  ['docker-socket-proxy', 'haproxy', 'CMD ["haproxy"]'],
  ['nginx', 'nginx-light', 'CMD ["nginx", "-g", "daemon off;"]'],
] as const

/**
 * Makes the images that the stack and the Dockerfile name, of Debian's packages, and gives a line for each. `folder` is
 * for what lies around meanwhile. Fetches packages; about a minute.
 */
export async function makeBaseImages(dockerd: Dockerd, composed: Composed, folder: string): Promise<string[]> {
  const tree = join(folder, 'tree')
  const packages = ['wget', ...PLAYED.map(([, name]) => name)]
  await run(join(import.meta.dirname, 'base-tree.sh'), [tree, ...packages], { timeoutMs: 620_000 })
  const tar = `${tree}.tar`
  await run('tar', ['-C', tree, '-cf', tar, '.'])
  rmSync(tree, { recursive: true })
  // Where TLS is looked into on the way, as in some companies, Node has to be told of the system's certificates.
  const certificates = '--change=ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'
  const node = nodeImage()
  await dockerd.docker('import', certificates, tar, node)
  const lines = [`${node}: Debian, with the project's own Node`]
  for (const [service, name, change] of PLAYED) {
    const { image } = serviceOf(composed, service)
    await dockerd.docker('import', `--change=${change}`, tar, image)
    lines.push(`${image}: Debian's ${name}`)
  }
  rmSync(tar)
  return lines
}

/** The image that the Dockerfile begins with. */
function nodeImage(): string {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
  const arg = (name: string) => new RegExp(`^ARG ${name}=(.+)$`, 'm').exec(text)?.[1] ?? ''
  return `node:${arg('NODE_VERSION')}-${arg('DEBIAN_VARIANT')}`
}
