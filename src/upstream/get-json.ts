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
    return await response.json()
  } catch (error) {
    throw new Error(`${path}: the answer is no JSON`, { cause: error })
  }
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
