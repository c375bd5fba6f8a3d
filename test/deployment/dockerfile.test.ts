import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../helpers/process.ts'

const read = (name: string) => readFileSync(join(ROOT, name), 'utf8')
/** Instructions, a line each, comments left out. */
const lines = read('Dockerfile')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

/** The instructions of each stage, with what its FROM names. */
const stages = new Map<string, { readonly from: string; readonly body: string[] }>()
for (const line of lines) {
  const [, from = '', name = ''] = /^FROM (\S+) AS (\S+)$/.exec(line) ?? []
  if (name !== '') stages.set(name, { from, body: [] })
  else [...stages.values()].at(-1)?.body.push(line)
}
const bodyOf = (name: string) => stages.get(name)?.body ?? []
/** Those of the stages that it stands on, too. */
function inherited(name: string): string[] {
  const { from = '', body = [] } = stages.get(name) ?? {}
  return stages.has(from) ? [...inherited(from), ...body] : body
}
const finalOf = (name: string, instruction: string) =>
  inherited(name).findLast((line) => line.startsWith(`${instruction} `))

describe('Dockerfile', () => {
  test('DK001: it is built in stages, and production takes only results', () => {
    for (const name of ['base', 'deps', 'development', 'test', 'production']) expect([...stages.keys()]).toContain(name)
    expect(stages.get('production')?.from).toBe('base')
    // The last stage is what `docker build` makes where no target is named.
    expect([...stages.keys()].at(-1)).toBe('production')
    const copied = bodyOf('production').filter((line) => line.startsWith('COPY'))
    expect(copied.filter((line) => / (src|test|\.)\/? /.test(line))).toEqual([])
    expect(finalOf('development', 'ENTRYPOINT')).toContain('--watch')
    expect(bodyOf('test').join('\n')).toMatch(/^RUN .*vitest run/m)
  })

  test('DK002: versions are pinned, as ARG', () => {
    const bases = [...stages.values()].map(({ from }) => from).filter((from) => !stages.has(from))
    expect(bases).toEqual(['node:${NODE_VERSION}-${DEBIAN_VARIANT}'])
    const args = lines.slice(
      0,
      lines.findIndex((line) => line.startsWith('FROM')),
    )
    const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: Record<string, string> }
    // The image's Node is the project's own, which no old fault of HTTP is in.
    expect(args).toEqual([`ARG NODE_VERSION=${devDependencies.node ?? ''}`, 'ARG DEBIAN_VARIANT=bookworm-slim'])
    expect(lines.filter((line) => line.includes(':latest'))).toEqual([])
    for (const line of lines.filter((one) => /\bnpm (ci|i|install)\b/.test(one))) expect(line).toMatch(/\bnpm ci\b/)
  })

  test('DK003: the base is slim, with the glibc that nvidia-smi needs, and npm is not left in it', () => {
    expect(finalOf('production', 'FROM') ?? 'bookworm-slim').toMatch(/slim/)
    expect(lines.join('\n')).not.toMatch(/alpine/)
    expect(bodyOf('production').join('\n')).toMatch(/rm -rf .*\/usr\/local\/lib\/node_modules/)
    const [install = ''] = bodyOf('packages').filter((line) => line.includes('npm ci'))
    expect(install).toContain('--omit=dev --ignore-scripts')
  })

  test('DK004: neither production nor development runs as root', () => {
    for (const name of ['production', 'development']) {
      const body = inherited(name)
      expect(finalOf(name, 'USER'), name).toBe('USER node')
      // Nothing that runs at build time comes after it.
      expect(body.slice(body.lastIndexOf('USER node')).filter((line) => line.startsWith('RUN'))).toEqual([])
    }
  })

  test('DK005: what is no part of it stays outside of the context', () => {
    const ignored = read('.dockerignore').split('\n')
    const wanted = ['.git', 'node_modules', '**/node_modules', 'dist', '.env', '.env.*', 'deploy/secrets']
    for (const name of [...wanted, '*.gguf', '**/*.gguf', '*.bin', '**/*.bin']) expect(ignored).toContain(name)
  })

  test('DK006: packages are cached between builds, in a form that Docker 20.10 takes', () => {
    const installs = lines.filter((line) => line.includes('npm ci'))
    expect(installs).toHaveLength(2)
    for (const line of installs) expect(line).toMatch(/^RUN --mount=type=cache,target=\/root\/\.npm /)
    expect(read('Dockerfile')).not.toMatch(/^#\s*syntax\s*=/m)
    // Heredocs and --link came with a later frontend.
    expect(lines.filter((line) => /<<|--link/.test(line))).toEqual([])
    // What changes seldom is copied first, or each change of a source would install again.
    const deps = inherited('deps')
    expect(deps.findIndex((line) => line.includes('npm ci'))).toBeGreaterThan(-1)
    expect(deps.some((line) => line.startsWith('COPY . ') || line.startsWith('COPY src'))).toBe(false)
  })

  test('DK007: production has its settings, its health check and its program', () => {
    const env = inherited('production').filter((line) => line.startsWith('ENV'))
    expect(env.join(' ')).toMatch(/\bNODE_ENV=production\b/)
    // To stdout, a line as soon as it is made.
    expect(env.join(' ')).toMatch(/\bOLLASCOPE_LOG_FORMAT=json\b/)
    expect(finalOf('production', 'HEALTHCHECK')).toMatch(/CMD \["node", "\/app\/dist\/main\.js", "healthcheck"\]$/)
    expect(finalOf('production', 'ENTRYPOINT')).toBe('ENTRYPOINT ["node", "/app/dist/main.js"]')
    expect(finalOf('production', 'CMD')).toBe('CMD ["serve"]')
    expect(bodyOf('production').join('\n')).toContain('org.opencontainers.image.revision="${REVISION}"')
  })

  test('what the package ships is in the image', () => {
    const { files } = JSON.parse(read('package.json')) as { files: string[] }
    const copied = bodyOf('production').join('\n')
    for (const file of files) expect(copied, file).toContain(file)
  })
})
