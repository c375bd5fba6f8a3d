import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { ReadFile, Reader } from './reader.ts'
import { settings } from './settings.ts'
import { unreadable } from './wording.ts'

/** Paths of PEM files. */
interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  readonly clientCaFile: string | undefined
}

/** What TLS needs, with the files' text. */
export interface Tls extends TlsFiles {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | undefined
}

/** What is wrong with which of the files; never what stands in it. */
interface TlsProblem {
  readonly file: keyof TlsFiles
  readonly why: string
}

/** The files' text, where it is a certificate and its key. `readFile` may throw. */
export function readTls(
  files: TlsFiles,
  readFile: ReadFile,
): { readonly value: Tls } | { readonly problems: readonly TlsProblem[] } {
  const problems: TlsProblem[] = []
  const read = (file: keyof TlsFiles, problemOf: (text: string) => string | undefined): string | undefined => {
    const path = files[file]
    if (path === undefined) return undefined
    const text = textOf(path, readFile)
    const why = 'value' in text ? problemOf(text.value) : text.problem
    if (why !== undefined) problems.push({ file, why })
    return why === undefined && 'value' in text ? text.value : undefined
  }
  const cert = read('certFile', certificateProblem)
  const key = read('keyFile', keyProblem)
  const clientCa = read('clientCaFile', certificateProblem)
  if (cert !== undefined && key !== undefined) {
    const why = pairProblem(cert, key)
    if (why !== undefined) problems.push({ file: 'keyFile', why })
    else if (problems.length === 0) return { value: { ...files, cert, key, clientCa } }
  }
  return { problems }
}

/** The settings of TLS with the files' text; undefined without them, or where something is wrong. */
export function readTlsSettings({ read, refuse }: Reader, readFile: ReadFile): Tls | undefined {
  const certFile = read(settings.tlsCertFile)
  const keyFile = read(settings.tlsKeyFile)
  const clientCaFile = read(settings.tlsClientCaFile)
  if (certFile !== undefined && keyFile !== undefined) {
    const tls = readTls({ certFile, keyFile, clientCaFile }, readFile)
    if ('value' in tls) return tls.value
    for (const { file, why } of tls.problems) refuse(ROWS[file], why)
  } else if (certFile !== undefined) {
    refuse(settings.tlsCertFile, 'a certificate without its key; set OLLASCOPE_TLS_KEY_FILE too')
  } else if (keyFile !== undefined) {
    refuse(settings.tlsKeyFile, 'a key without its certificate; set OLLASCOPE_TLS_CERT_FILE too')
  } else if (clientCaFile !== undefined) {
    refuse(
      settings.tlsClientCaFile,
      `no TLS without a certificate; set OLLASCOPE_TLS_CERT_FILE and OLLASCOPE_TLS_KEY_FILE too`,
    )
  }
  return undefined
}

const ROWS = { certFile: settings.tlsCertFile, keyFile: settings.tlsKeyFile, clientCaFile: settings.tlsClientCaFile }

function textOf(path: string, readFile: ReadFile) {
  try {
    return { value: readFile(path) }
  } catch (error) {
    return { problem: unreadable(error) }
  }
}

function certificateProblem(text: string): string | undefined {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  // The first one is found by OpenSSL in the whole text, which may hold more than the blocks.
  const sound = blocks.length > 0 && [text, ...blocks].every((part) => succeeds(() => new X509Certificate(part)))
  return sound
    ? undefined
    : 'no certificate in PEM; write the path of a file that begins with -----BEGIN CERTIFICATE-----'
}

function keyProblem(text: string): string | undefined {
  if (/^-----BEGIN ENCRYPTED |^Proc-Type: .*ENCRYPTED/m.test(text)) {
    return 'an encrypted key; write the path of one without a passphrase'
  }
  if (succeeds(() => createPrivateKey(text))) return undefined
  return 'no private key in PEM; write the path of a file that holds -----BEGIN PRIVATE KEY-----'
}

function pairProblem(cert: string, key: string): string | undefined {
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    return 'not the key of the certificate (OLLASCOPE_TLS_CERT_FILE); write the path of its own'
  }
  // OpenSSL has a say too, of keys that are too weak, for example.
  if (succeeds(() => createSecureContext({ cert, key }))) return undefined
  return 'OpenSSL refuses it with the certificate; write a stronger key and certificate'
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}
