import { describe, expect, it } from 'vitest'
import { ConfigError, describeConfig, formatConfig, loadConfig } from '../../../src/config.ts'
import type { Env } from '../../../src/config.ts'

const canary = 'cAnArY0123456789'

/** All that anybody gets to see of an environment: the description, or every part of the error. */
function everythingSaid(env: Env, readFile: (path: string) => string): string {
  try {
    const rows = describeConfig(loadConfig(env, readFile), env)
    return [JSON.stringify(rows), formatConfig(rows)].join('\n')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [error.problems.join('\n'), error.message, String(error), error.stack, JSON.stringify(error)].join('\n')
  }
}

const file = 'OLLASCOPE_ADMIN_TOKEN_FILE'
const problemOf = (env: Env, readFile: (path: string) => string): string => {
  try {
    loadConfig(env, readFile)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return expect.fail('accepted')
}
const failing = (code?: string) => (path: string) => {
  throw Object.assign(new Error(`cannot open '${path}'`), code === undefined ? {} : { code })
}

const key = `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----\n`
const tlsFiles = (cert: string, keyFile: string) => ({
  OLLASCOPE_TLS_CERT_FILE: cert,
  OLLASCOPE_TLS_KEY_FILE: keyFile,
  OLLASCOPE_TLS_CLIENT_CA_FILE: cert,
})
const configs = [
  `tokens: ${canary}`,
  `tokens: {ci: ${canary}}`,
  `tokens: {${canary}=: ci}`,
  `tokens: {${canary}: ci, ${canary}: ci}`,
  `tokens: {ci: [${canary}, {${canary}: 5}]}`,
  `tokens:\n  ci: ${canary}\n  - ${canary}`,
]

describe('a secret is never said', () => {
  it.each([
    ['where it is right', { OLLASCOPE_ADMIN_TOKEN: canary }],
    ['where it is not usable', { OLLASCOPE_ADMIN_TOKEN: `${canary} \n` }],
    ['where it stands twice', { OLLASCOPE_ADMIN_TOKEN: canary, [file]: '/run/token' }],
    ['where its file is expected', { [file]: canary }],
    ['where its file is expected, beside it', { OLLASCOPE_ADMIN_TOKEN: canary, [file]: canary }],
    ['where it comes with another mistake', { OLLASCOPE_ADMIN_TOKEN: canary, OLLASCOPE_LISTEN: 'x' }],
    ['by a misspelt name', { OLLASCOPE_ADMIN_TOKN: canary }],
    ['by another misspelt name', { OLLASCOPE_ADMINTKEN: canary }],
    ['by a misspelt name of a file', { OLLASCOPE_ADMIN_TOKEN_FLE: `/${canary}` }],
    ['by the name of a token', { OLLASCOPE_TOKEN: canary }],
    ['by the name of a secret', { OLLASCOPE_CLIENT_SECRET: canary }],
    ['by the name of a password', { OLLASCOPE_PASSWORD: canary }],
    ['by the name of a key', { OLLASCOPE_API_KEY: canary }],
    ['where the file of tokens is expected', { OLLASCOPE_TOKENS_FILE: canary }],
    ['where the file of the key is expected', { OLLASCOPE_TLS_KEY_FILE: canary }],
    ['where the files of a certificate and its key are expected', tlsFiles(`/${key}`, canary)],
    ['in the files of TLS', tlsFiles('/cert', '/key')],
    ['in a file of tokens', { OLLASCOPE_TOKENS_FILE: '/tokens' }],
    ['in a config file', { OLLASCOPE_CONFIG: '/config' }],
    ['in an origin', { OLLASCOPE_ALLOWED_ORIGINS: `https://a,https://user:${canary}@b` }],
    ['in a host', { OLLASCOPE_ALLOWED_HOSTS: `a,user:${canary}@b` }],
    ['in a trusted proxy', { OLLASCOPE_TRUSTED_PROXIES: `10.0.0.1,http://user:${canary}@b` }],
    ['in the headers of an exporter', { OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${canary}` }],
    ['in the headers of an exporter of traces', { OTEL_EXPORTER_OTLP_TRACES_HEADERS: `authorization=${canary}` }],
    ["in an exporter's URL", { OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:${canary}@collector:4318` }],
    ["in the upstream's URL", { OLLASCOPE_UPSTREAM: `http://user:${canary}@ollama` }],
    ["as the user of the upstream's URL", { OLLASCOPE_UPSTREAM: `http://${canary}@ollama` }],
    ['in a URL of another scheme', { OLLASCOPE_UPSTREAM: `https://user:${canary}@ollama` }],
    ['in a URL without a scheme', { OLLASCOPE_UPSTREAM: `user:${canary}@ollama:11434` }],
    ['as the user in a URL without a scheme', { OLLASCOPE_UPSTREAM: `${canary}@ollama:11434` }],
    ['in a URL that is none', { OLLASCOPE_UPSTREAM: `http://user:p@ss/${canary}@ollama:99999` }],
    ['in a URL of several lines', { OLLASCOPE_UPSTREAM: `http://\nuser:\n${canary}@ollama` }],
    ["in a URL's query", { OLLASCOPE_UPSTREAM: `http://ollama/?api_key=${canary}` }],
    ["in a Docker daemon's address", { OLLASCOPE_DOCKER_HOST: `tcp://user:${canary}@docker:2375` }],
    ["in Docker's own address", { DOCKER_HOST: `tcp://user:${canary}@docker:2375` }],
    ['in the name of a container', { OLLASCOPE_CONTAINERS: `a,user:${canary}@b` }],
    ['in the name of a collector', { OLLASCOPE_COLLECTORS: `host,user:${canary}@b` }],
    ['in an address', { OLLASCOPE_LISTEN: `http://user:${canary}@0.0.0.0:80` }],
  ])('%s', (_where, env) => {
    const contents = [`${canary}\n`, `${canary} ${canary}`, `ci:${canary}`, `${canary}:ci`, key, ...configs]
    for (const readFile of [...contents.map((text) => () => text), failing('ENOENT'), failing()]) {
      expect(everythingSaid(env, readFile)).not.toContain(canary)
    }
  })

  it('but that there is one is', () => {
    expect(everythingSaid({ OLLASCOPE_ADMIN_TOKEN: canary }, failing())).toContain('********')
    expect(problemOf({ OLLASCOPE_UPSTREAM: `http://user:${canary}@ollama` }, failing())).toBe(
      'OLLASCOPE_UPSTREAM=http://********@ollama: credentials are not supported; ' +
        'write http://host:port and nothing after it',
    )
    expect(problemOf({ OLLASCOPE_API_KEY: canary }, failing())).toBe(
      'OLLASCOPE_API_KEY=********: unknown setting; see ollascope --help for what there is',
    )
    expect(problemOf({ OLLASCOPE_ADMIN_TOKN: canary }, failing())).toBe(
      'OLLASCOPE_ADMIN_TOKN=********: unknown setting; did you mean OLLASCOPE_ADMIN_TOKEN?',
    )
    expect(problemOf({ OLLASCOPE_ADMIN_TOKEN: `${canary} ` }, failing())).toBe(
      'OLLASCOPE_ADMIN_TOKEN=********: not a usable token; write visible ASCII characters without spaces',
    )
  })
})

describe('what a token is known by is never said', () => {
  const hash = 'ab'.repeat(32)
  it.each([
    ['where it is right', `ci:${hash}`, `tokens: {ci: ${hash}}`],
    ['where it stands twice', `ci:${hash}\nx:${hash}`, `tokens: {ci: ${hash}, x: ${hash}}`],
    ['where it is too long', `ci:${hash}0`, `tokens: {ci: ${hash}0}`],
    ['where it stands for the name', `${hash}${hash}:${hash}`, `tokens: {${hash}${hash}: ${hash}}`],
  ])('%s', (_where, tokens, config) => {
    const env = { OLLASCOPE_TOKENS_FILE: '/tokens', OLLASCOPE_CONFIG: '/config' }
    expect(everythingSaid(env, (path) => (path === '/config' ? config : tokens))).not.toContain(hash)
    const unused = 'c'.repeat(64)
    expect(everythingSaid(env, (path) => (path === '/config' ? config : `x:${unused}`))).not.toContain(hash)
    expect(everythingSaid(env, (path) => (path === '/config' ? `tokens: {x: ${unused}}` : tokens))).not.toContain(hash)
  })
})

describe('a token from a file', () => {
  const env = { [file]: '/run/secrets/token' }

  it.each([
    ['t0ken', 't0ken'],
    ['t0ken\n', 't0ken'],
    ['t0ken\r\n', 't0ken'],
    ['t0ken\n\n', 't0ken'],
  ])('%j is %j', (content, token) => {
    const paths: string[] = []
    const config = loadConfig(env, (path) => {
      paths.push(path)
      return content
    })
    expect(config.adminToken).toBe(token)
    expect(paths).toEqual(['/run/secrets/token'])
  })

  it('lets the admin listener leave loopback', () => {
    expect(loadConfig({ ...env, OLLASCOPE_ADMIN_LISTEN: ':9435' }, () => 't').adminListen.host).toBe('')
  })

  it.each([
    ['', 'the file is empty'],
    ['\r\n', 'the file is empty'],
    [' ', 'its content is not a usable token; write visible ASCII characters without spaces'],
    ['one\ntwo\n', 'its content is not a usable token; write visible ASCII characters without spaces'],
  ])('refuses %j', (content, why) => {
    expect(problemOf(env, () => content)).toBe(`${file}=/run/secrets/token: ${why}`)
  })

  it.each([
    ['ENOENT', 'no such file'],
    ['EACCES', 'permission denied'],
    ['EISDIR', 'it is a directory; Docker makes one in the place of a mounted file that is missing'],
    ['EIO', 'EIO'],
    [undefined, 'unknown error'],
  ])('says of %s why it cannot be read', (code, why) => {
    expect(problemOf(env, failing(code))).toBe(
      `${file}=/run/secrets/token: cannot be read (${why}); write the path of a file`,
    )
  })

  it('does not stand beside the token itself, be it the same', () => {
    for (const token of ['t0ken', env[file]]) {
      expect(problemOf({ ...env, OLLASCOPE_ADMIN_TOKEN: token }, () => 't0ken')).toBe(
        `${file}=/run/secrets/token: OLLASCOPE_ADMIN_TOKEN is set too; set only one of them`,
      )
    }
  })

  it('is the only setting that a file can hold', () => {
    expect(problemOf({ OLLASCOPE_LISTEN_FILE: '/x' }, () => ':80')).toBe(
      'OLLASCOPE_LISTEN_FILE=/x: unknown setting; see ollascope --help for what there is',
    )
  })
})
