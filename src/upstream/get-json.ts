/** Why the upstream gave no document: a reason from a small set, and a message that a person understands. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
  readonly reason: 'refused' | 'timeout' | 'unreachable' | 'status' | 'not_json' | 'too_large'

  constructor(reason: NoAnswer['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** A JSON document of the upstream. Rejects with a NoAnswer. */
export async function getJson(base: string, path: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(new URL(path, base), { signal, redirect: 'error' }).catch((error: unknown) => {
    throw failed(path, error)
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new NoAnswer('status', `${path} is answered ${response.status}`)
  }
  const text = await textOf(response, path).catch((error: unknown) => {
    throw error instanceof NoAnswer ? error : failed(path, error)
  })
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new NoAnswer('not_json', `${path}: the answer is no JSON`, { cause: error })
  }
}

/** A list of models is some hundred bytes for each. */
const MAX_BYTES = 16 * 1024 * 1024

async function textOf({ body }: Response, path: string): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const bytes of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += bytes.length
    if (length > MAX_BYTES)
      throw new NoAnswer('too_large', `${path}: the answer is longer than ${MAX_BYTES / 1024 ** 2} MiB`)
    parts.push(bytes)
  }
  return Buffer.concat(parts).toString()
}

function failed(path: string, error: unknown): NoAnswer {
  const [reason, text] = reasonOf(error)
  return new NoAnswer(reason, `${path}: ${text}`, { cause: error })
}

function reasonOf(error: unknown): [NoAnswer['reason'], string] {
  if (!(error instanceof Error)) return ['unreachable', String(error)]
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return ['timeout', 'no answer in time']
  const { cause } = error
  if (cause instanceof Error && 'code' in cause) {
    return cause.code === 'ECONNREFUSED' ? ['refused', 'connection refused'] : ['unreachable', String(cause.code)]
  }
  return ['unreachable', error.message]
}
