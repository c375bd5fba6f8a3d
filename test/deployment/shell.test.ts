import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { describeWith } from '../helpers/needs.ts'
import { ROOT } from '../helpers/process.ts'
import { runProgram } from '../helpers/programs.ts'

const read = (name: string) => readFileSync(join(ROOT, name), 'utf8')
/** Every script of the deployment that a shell runs. */
const SCRIPTS = [
  ...readdirSync(join(ROOT, 'scripts'), { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes('.'))
    .map(({ name }) => `scripts/${name}`),
  'deploy/secrets.sh',
  'bench/image.sh',
  'bench/fresh-clone.sh',
  'test/stack/base-tree.sh',
]

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ollascope-secrets-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test.each(SCRIPTS)('%s is sound for sh, and can be run', async (name) => {
  expect(read(name)).toMatch(/^#!\/bin\/sh\n/)
  expect(statSync(join(ROOT, name)).mode & 0o111).toBe(0o111)
  expect(await runProgram('sh', ['-n', join(ROOT, name)], '')).toMatchObject({ code: 0, stderr: '' })
})

describeWith(['shellcheck'], 'shellcheck', () => {
  test.each(SCRIPTS)('finds nothing in %s', async (name) => {
    expect(await runProgram('shellcheck', [join(ROOT, name)], '')).toMatchObject({ code: 0, stdout: '' })
  })
})

test('secrets are made once, random, and nobody else gets into their folder', async () => {
  const folder = join(makeFolder(), 'secrets')
  const make = () => runProgram(join(ROOT, 'deploy/secrets.sh'), [folder], '')
  const first = await make()
  expect(first.code).toBe(0)
  const names = ['ollascope-admin-token', 'grafana-admin-password']
  const contents = () => names.map((name) => readFileSync(join(folder, name), 'utf8'))
  const before = contents()
  for (const text of before) expect(text).toMatch(/^[0-9a-f]{64}$/)
  expect(new Set(before).size).toBe(2)
  // What is made is said by name only.
  for (const text of before) expect(first.stdout).not.toContain(text)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o444)

  expect(await make()).toMatchObject({ code: 0, stdout: '' })
  expect(contents()).toEqual(before)
  expect(readdirSync(folder).sort()).toEqual(['alertmanager', 'tls', ...names].sort())
})

test.each(['docker-compose.yml', 'docker-compose.linux.yml'])(
  '%s: Grafana does not start without a password',
  async (name) => {
    const stack = parse(read(name), { merge: true }) as {
      services: { grafana: { entrypoint: [string, string, string] } }
    }
    const [shell, options, script] = stack.services.grafana.entrypoint
    const folder = makeFolder()
    writeFileSync(join(folder, 'run.sh'), '#!/bin/sh\necho started\n')
    chmodSync(join(folder, 'run.sh'), 0o755)
    const body = script.replaceAll('$$', '$').replace('/run.sh', join(folder, 'run.sh'))
    const start = (path: string) =>
      runProgram('env', [`GF_SECURITY_ADMIN_PASSWORD__FILE=${path}`, shell, options, body], '')

    const missing = await start(join(folder, 'nothing'))
    expect(missing).toMatchObject({ code: 1, stdout: '' })
    expect(missing.stderr).toContain('make secrets')
    writeFileSync(join(folder, 'empty'), '')
    expect(await start(join(folder, 'empty'))).toMatchObject({ code: 1, stdout: '' })
    writeFileSync(join(folder, 'password'), 'a password')
    expect(await start(join(folder, 'password'))).toEqual({ code: 0, stdout: 'started\n', stderr: '' })
  },
)

describeWith(['make'], 'make', () => {
  const dry = (...args: readonly string[]) =>
    runProgram('make', ['-n', '-C', ROOT, 'COMPOSE=docker-compose', ...args], '')

  test.each([
    [['STACK=dev'], '--env-file .env.dev -f docker-compose.yml -f docker-compose.dev.yml'],
    [['STACK=linux'], '--env-file .env.dev -f docker-compose.linux.yml'],
    [
      ['STACK=prod oom', 'ENV_FILE=.env.prod.example', 'PROFILES=lb logging'],
      '--env-file .env.prod.example -f docker-compose.yml -f docker-compose.prod.yml -f docker-compose.oom.yml --profile lb --profile logging',
    ],
  ])('up %j starts that stack', async (args, wanted) => {
    const { code, stdout } = await dry('up', ...args)
    expect(code).toBe(0)
    expect(stdout.replaceAll(/ +/g, ' ')).toContain(`docker-compose ${wanted} up -d --build`)
    expect(stdout.includes('--force-recreate ollascope-collector')).toBe(args.includes('STACK=prod oom'))
  })

  test('what another exporter tells already is left out of the collectors', async () => {
    const told = async (profiles: string) =>
      /OLLASCOPE_COLLECTORS=(\S*)/.exec((await dry('up', `PROFILES=${profiles}`)).stdout)?.[1]
    expect(await told('')).toBeUndefined()
    expect(await told('lb')).toBeUndefined()
    expect(await told('cadvisor')).toBe('ollama,nvidia,amd,host')
    expect(await told('node-exporter lb')).toBe('ollama,nvidia,amd,docker,cgroup')
    expect(await told('cadvisor node-exporter')).toBe('ollama,nvidia,amd')
  })

  test('clean asks first, and production without its settings says what to do', async () => {
    const kept = await runProgram('make', ['-C', ROOT, 'COMPOSE=false', 'clean'], 'n\n')
    expect(kept.code).not.toBe(0)
    expect(kept.stdout).toMatch(/Go on\?.*nothing was removed/s)
    const missing = await runProgram('make', ['-C', ROOT, 'COMPOSE=true', 'ENV_FILE=.env.nowhere', 'up'], '')
    expect(missing.code).not.toBe(0)
    expect(missing.stderr).toContain('cp .env.prod.example')
  })

  test.each(['up', 'down', 'logs', 'restart'])('%s without Docker says what is missing', async (target) => {
    const { code, stdout, stderr } = await runProgram('make', ['-C', ROOT, 'COMPOSE=nothing-like-it', target], '')
    expect(code).not.toBe(0)
    expect(stdout).not.toContain('made ')
    expect(stderr).toContain("ollascope: neither 'docker compose' nor docker-compose runs here")
    expect(stderr).not.toContain('not found')
  })
})
