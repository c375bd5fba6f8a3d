import { describe, expect, it } from 'vitest'
import { errorBody, internalError, malformedRequest, notImplemented, upstreamError } from '../../../src/proxy/errors.ts'

const WHERE = 'http://127.0.0.1:11434'

describe('upstreamError', () => {
  it.each([
    ['ECONNREFUSED', 502, 'error', 'connect', 'connection refused'],
    ['EHOSTUNREACH', 502, 'error', 'connect', 'no route to host'],
    ['ENETUNREACH', 502, 'error', 'connect', 'ENETUNREACH'],
    ['EADDRNOTAVAIL', 502, 'error', 'connect', 'EADDRNOTAVAIL'],
    ['ENOTFOUND', 502, 'error', 'dns', 'OLLASCOPE_UPSTREAM'],
    ['EAI_AGAIN', 502, 'error', 'dns', 'OLLASCOPE_UPSTREAM'],
    ['ETIMEDOUT', 504, 'timeout', 'connect_timeout', 'timed out'],
    ['ECONNRESET', 502, 'error', 'upstream_reset', 'closed the connection before it answered'],
    ['EPIPE', 502, 'error', 'upstream_reset', 'closed the connection before it answered'],
    ['HPE_INVALID_CONSTANT', 502, 'error', 'upstream_reset', 'does not speak HTTP (HPE_INVALID_CONSTANT)'],
    ['HPE_HEADER_OVERFLOW', 502, 'error', 'upstream_reset', 'HPE_HEADER_OVERFLOW'],
    ['EMFILE', 502, 'error', 'connect', 'EMFILE'],
    [undefined, 502, 'error', 'connect', 'unknown error'],
  ])('%s is %i, %s / %s', (code, status, outcome, errorType, words) => {
    const error = upstreamError({ code, message: 'of the system' }, WHERE)
    expect(error).toMatchObject({ status, verdict: { outcome, errorType } })
    expect(error.message).toMatch(/^ollascope: /)
    expect(error.message).toContain(WHERE)
    expect(error.message).toContain(words)
    expect(error.message).not.toContain('of the system')
  })

  it('says what happened and what to do', () => {
    expect(upstreamError({ code: 'ECONNREFUSED', message: '' }, WHERE).message).toBe(
      `ollascope: cannot reach Ollama at ${WHERE} (connection refused); is it running?`,
    )
  })
})

describe('malformedRequest', () => {
  it.each([
    ['HPE_HEADER_OVERFLOW', 431],
    ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
    ['ERR_HTTP_REQUEST_TIMEOUT', 408],
    ['HPE_INVALID_METHOD', 400],
    [undefined, 400],
  ])('%s is %i, the mistake of the caller', (code, status) => {
    expect(malformedRequest(code)).toMatchObject({
      status,
      message: expect.stringMatching(/^ollascope: the |^ollascope: this /) as string,
      verdict: { outcome: 'caller_error', errorType: 'bad_request' },
    })
  })
})

describe("the proxy's own failures", () => {
  it('lead to the log', () => {
    expect(internalError()).toMatchObject({ status: 500, verdict: { outcome: 'error', errorType: 'proxy_internal' } })
    expect(internalError().message).toContain('X-Request-ID')
  })

  it('name what is not supported', () => {
    expect(notImplemented('CONNECT')).toEqual({
      status: 501,
      message: 'ollascope: CONNECT is not supported',
      closes: true,
      verdict: { outcome: 'caller_error', errorType: 'bad_request' },
    })
  })
})

describe('errorBody', () => {
  const error = (status: number) => ({ status, message: 'ollascope: "x"', verdict: { outcome: 'error' } }) as const

  it('has the shape of each API', () => {
    expect(JSON.parse(errorBody('native', error(502)))).toEqual({ error: 'ollascope: "x"' })
    expect(JSON.parse(errorBody('openai', error(502)))).toEqual({
      error: { message: 'ollascope: "x"', type: 'api_error', param: null, code: null },
    })
    expect(JSON.parse(errorBody('anthropic', error(502)))).toEqual({
      type: 'error',
      error: { type: 'api_error', message: 'ollascope: "x"' },
    })
  })

  it.each([
    [400, 'invalid_request_error'],
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [504, 'api_error'],
  ])('%i is of type %s', (status, type) => {
    expect(JSON.parse(errorBody('openai', error(status)))).toMatchObject({ error: { type } })
    expect(JSON.parse(errorBody('anthropic', error(status)))).toMatchObject({ error: { type } })
  })
})
