import { describe, expect, it } from 'vitest'
import { ENDPOINT_LABELS, matchEndpoint, pathOf, rawPathOf } from '../../../src/ollama/endpoints.ts'
import { createRandom } from '../../helpers/random.ts'

describe('matchEndpoint', () => {
  it.each([
    ['/', '/'],
    ['/api/chat', '/api/chat'],
    ['/api/chat?x=1', '/api/chat'],
    ['/api/chat#x', 'unknown'],
    ['/%61pi/chat', '/api/chat'],
    ['/api/%63hat?%zz', '/api/chat'],
    ['http://127.0.0.1:11434/api/version', '/api/version'],
    ['HTTPS://host/api/tags?x', '/api/tags'],
    ['http://host', '/'],
    ['/api/blobs/sha256:00', '/api/blobs/:digest'],
    ['/api/blobs/', 'unknown'],
    ['/api/blobs/a/b', 'unknown'],
    ['/api/user/keys/abc', '/api/user/keys/:key'],
    ['/v1/models', '/v1/models'],
    ['/v1/models/llama3', '/v1/models/:model'],
    ['/v1/models/me%2Fllama3', 'unknown'],
    ['/v1/models/', 'unknown'],
    ['/api/chat/', 'unknown'],
    ['//api/chat', 'unknown'],
    ['/x/../api/chat', 'unknown'],
    ['/API/CHAT', 'unknown'],
    ['/api/%zz', 'unknown'],
    ['*', 'unknown'],
    ['', '/'],
    ['/metrics', 'unknown'],
    ['/unknown', 'unknown'],
    ['/constructor', 'unknown'],
  ])('of %j is %s', (target, label) => expect(matchEndpoint(target).label).toBe(label))

  it('gives labels of one closed set, whatever comes', () => {
    const random = createRandom(4)
    const parts = [
      '/',
      'api',
      'chat',
      'v1',
      'models',
      'blobs',
      '..',
      '%2f',
      '%',
      '?',
      '#',
      'http://',
      'é',
      ':',
      ' ',
    ] as const
    for (let i = 0; i < 5000; i++) {
      const target = Array.from({ length: random.below(8) }, () => random.pick(parts)).join('')
      expect(ENDPOINT_LABELS).toContain(matchEndpoint(target).label)
    }
    expect(new Set(ENDPOINT_LABELS).size).toBe(ENDPOINT_LABELS.length)
  })

  it.each([
    ['/api/chat', 'native'],
    ['/v1/chat/completions', 'openai'],
    ['/v1/messages', 'anthropic'],
    ['/v1/nothing', 'openai'],
    ['/nothing', 'native'],
    ['/v1', 'native'],
  ])('of %s tells errors as %s', (target, shape) => expect(matchEndpoint(target).errorShape).toBe(shape))

  // Route, its method, whether it runs a model, and what a request without `stream` means.
  it.each([
    ['/api/generate', 'POST', true, true],
    ['/api/chat', 'POST', true, true],
    ['/api/pull', 'POST', false, true],
    ['/api/push', 'POST', false, true],
    ['/api/create', 'POST', false, true],
    ['/v1/chat/completions', 'POST', true, false],
    ['/v1/completions', 'POST', true, false],
    ['/v1/responses', 'POST', true, false],
    ['/v1/messages', 'POST', true, false],
    ['/api/embed', 'POST', true, undefined],
    ['/api/embeddings', 'POST', true, undefined],
    ['/v1/embeddings', 'POST', true, undefined],
    ['/v1/audio/transcriptions', 'POST', true, undefined],
    ['/api/show', 'POST', false, undefined],
    ['/api/copy', 'POST', false, undefined],
    ['/api/delete', 'DELETE', false, undefined],
    ['/api/tags', 'GET', false, undefined],
    ['/api/blobs/x', 'POST', false, undefined],
  ] as const)('of %s knows the route', (target, method, inference, streamsByDefault) => {
    expect(matchEndpoint(target)).toMatchObject({ method, inference, streamsByDefault })
  })
})

describe('pathOf', () => {
  it.each([
    ['/a%20b?c=%20', '/a b'],
    ['/a%', '/a%'],
    ['/%ff', '/%ff'],
    ['http://host/a?b', '/a'],
    ['http://host?b', '?b'],
    ['/a?b?c', '/a'],
  ])('of %j is %j', (target, path) => {
    if (target === 'http://host?b') expect(pathOf(target)).toMatch(/^\/?$/)
    else expect(pathOf(target)).toBe(path)
  })
})

describe('rawPathOf', () => {
  it.each([
    ['/a%20b?c=%20', '/a%20b'],
    ['/a/../%2f//?', '/a/../%2f//'],
    ['/a#b?c#d', '/a#b'],
    ['HTTP://me@host:1/A%61?b', '/A%61'],
    ['http://host', '/'],
    ['ftp://host/a', '/a'],
  ])('of %j is %j', (target, path) => expect(rawPathOf(target)).toBe(path))
})
