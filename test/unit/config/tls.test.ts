import { describe, expect, it } from 'vitest'
import { ConfigError, loadConfig } from '../../../src/config.ts'
import { createPair } from './certificates.ts'

const [own, other, weak] = [createPair(), createPair(), createPair('rsa')]
const encrypted = { cipher: 'aes-256-cbc', passphrase: 'hush' } as const
const files: Readonly<Record<string, string>> = {
  '/cert': own.cert,
  '/key': own.key,
  '/chain': `subject=test\n${own.cert}${other.cert}`,
  '/all': `${own.key}${own.cert}`,
  '/ca': other.cert,
  '/traditional': own.privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
  '/other-key': other.key,
  '/weak': weak.cert,
  '/weak-key': weak.key,
  '/encrypted': own.privateKey.export({ type: 'pkcs8', format: 'pem', ...encrypted }).toString(),
  '/encrypted-traditional': own.privateKey.export({ type: 'sec1', format: 'pem', ...encrypted }).toString(),
  '/empty': '',
  '/text': 'hush',
  '/cut': own.cert.slice(0, 300),
  '/cut-key': `${own.key.slice(0, 80)}\n-----END PRIVATE KEY-----\n`,
  '/broken': own.cert.replace(/M/g, 'N'),
  '/broken-chain': `${own.cert}${other.cert.replace(/M/g, 'N')}`,
}
const readFile = (path: string): string => {
  const text = files[path]
  if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' })
  return text
}

const envOf = (cert?: string, key?: string, clientCa?: string) => ({
  OLLASCOPE_TLS_CERT_FILE: cert,
  OLLASCOPE_TLS_KEY_FILE: key,
  OLLASCOPE_TLS_CLIENT_CA_FILE: clientCa,
})

function problemsOf(...paths: Parameters<typeof envOf>): readonly string[] {
  try {
    loadConfig(envOf(...paths), readFile)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return expect.fail(`accepted: ${paths.join(' ')}`)
}

describe('TLS', () => {
  it('has the text of its files', () => {
    expect(loadConfig(envOf('/cert', '/key', '/ca'), readFile).tls).toEqual({
      certFile: '/cert',
      keyFile: '/key',
      clientCaFile: '/ca',
      cert: own.cert,
      key: own.key,
      clientCa: other.cert,
    })
    expect(loadConfig(envOf('/cert', '/key'), readFile).tls).toMatchObject({ clientCa: undefined })
    expect(loadConfig({}, readFile).tls).toBeUndefined()
  })

  it.each([
    ['/chain', '/key', '/chain'],
    ['/all', '/all', undefined],
    ['/cert', '/traditional', undefined],
  ])('takes %s with %s', (cert, key, clientCa) => {
    expect(loadConfig(envOf(cert, key, clientCa), readFile).tls).toMatchObject({ cert: files[cert], key: files[key] })
  })
})

describe('a mistake in TLS', () => {
  it.each([
    [['/cert'], 'CERT_FILE=/cert: a certificate without its key; set OLLASCOPE_TLS_KEY_FILE too'],
    [['/cert', undefined, '/ca'], 'CERT_FILE=/cert: a certificate without its key; set OLLASCOPE_TLS_KEY_FILE too'],
    [[undefined, '/key'], 'KEY_FILE=/key: a key without its certificate; set OLLASCOPE_TLS_CERT_FILE too'],
    [
      [undefined, undefined, '/ca'],
      'CLIENT_CA_FILE=/ca: no TLS without a certificate; set OLLASCOPE_TLS_CERT_FILE and OLLASCOPE_TLS_KEY_FILE too',
    ],
  ])('is a part that is missing: %j', (paths, problem) => {
    expect(problemsOf(...paths)).toEqual([`OLLASCOPE_TLS_${problem}`])
  })

  const noCert = 'no certificate in PEM; write the path of a file that begins with -----BEGIN CERTIFICATE-----'
  it.each(['/empty', '/text', '/key', '/cut', '/broken', '/broken-chain'])(
    'is %s where certificates belong',
    (path) => {
      expect(problemsOf(path, '/key')).toEqual([`OLLASCOPE_TLS_CERT_FILE=${path}: ${noCert}`])
      expect(problemsOf('/cert', '/key', path)).toEqual([`OLLASCOPE_TLS_CLIENT_CA_FILE=${path}: ${noCert}`])
    },
  )

  const noKey = 'no private key in PEM; write the path of a file that holds -----BEGIN PRIVATE KEY-----'
  const withPassphrase = 'an encrypted key; write the path of one without a passphrase'
  it.each([
    ['/empty', noKey],
    ['/text', noKey],
    ['/cert', noKey],
    ['/cut-key', noKey],
    ['/encrypted', withPassphrase],
    ['/encrypted-traditional', withPassphrase],
    ['/other-key', 'not the key of the certificate (OLLASCOPE_TLS_CERT_FILE); write the path of its own'],
    ['/missing', 'cannot be read (no such file); write the path of a file'],
  ])('is %s where the key belongs', (path, why) => {
    expect(problemsOf('/cert', path)).toEqual([`OLLASCOPE_TLS_KEY_FILE=${path}: ${why}`])
  })

  it('is a key that OpenSSL finds too weak', () => {
    expect(problemsOf('/weak', '/weak-key')).toEqual([
      'OLLASCOPE_TLS_KEY_FILE=/weak-key: OpenSSL refuses it with the certificate; write a stronger key and certificate',
    ])
  })

  it('is told for each file', () => {
    expect(problemsOf('/missing', '/text', '/nowhere')).toEqual([
      'OLLASCOPE_TLS_CERT_FILE=/missing: cannot be read (no such file); write the path of a file',
      `OLLASCOPE_TLS_KEY_FILE=/text: ${noKey}`,
      'OLLASCOPE_TLS_CLIENT_CA_FILE=/nowhere: cannot be read (no such file); write the path of a file',
    ])
    expect(problemsOf('/cert', '/other-key', '/text')).toHaveLength(2)
  })

  it('never quotes a key', () => {
    const body = own.key.split('\n')[1] ?? ''
    expect(body.length).toBeGreaterThan(40)
    for (const paths of [
      ['/key', '/key'],
      ['/cert', '/cut-key'],
      ['/key', '/cert', '/key'],
      ['/all', '/other-key'],
    ]) {
      expect(problemsOf(...paths).join('\n')).not.toContain(body.slice(0, 20))
    }
    // Also where the key itself stands in the place of its path.
    for (const paths of [
      ['/cert', own.key],
      [own.key, '/key'],
      ['/cert', '/key', own.key],
      ['/cert', `/${own.key}`],
    ]) {
      expect(problemsOf(...paths).join('\n')).not.toContain(body.slice(0, 20))
    }
  })
})
