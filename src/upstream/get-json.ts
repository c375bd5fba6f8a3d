/** A JSON document of the upstream. Rejects with a reason a person understands: refused, no answer in time, a status. */
export async function getJson(base: string, path: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(new URL(path, base), { signal, redirect: 'error' }).catch((error: unknown) => {
    throw new Error(`${path}: ${reasonOf(error)}`, { cause: error })
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new Error(`${path} is answered ${response.status}`)
  }
  try {
    return JSON.parse(await textOf(response, path)) as unknown
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new Error(`${path}: the answer is no JSON`, { cause: error })
  }
}

/** A list of models is some hundred bytes for each. */
const MAX_BYTES = 16 * 1024 * 1024

async function textOf({ body }: Response, path: string): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const bytes of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += bytes.length
    if (length > MAX_BYTES) throw new Error(`${path}: the answer is longer than ${MAX_BYTES / 1024 ** 2} MiB`)
    parts.push(bytes)
  }
  return Buffer.concat(parts).toString()
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  const { cause } = error
  if (cause instanceof Error && 'code' in cause) {
    return cause.code === 'ECONNREFUSED' ? 'connection refused' : String(cause.code)
  }
  return error.message
}
