import { describe, expect, it } from 'vitest'
import { fullModelName } from '../../../src/ollama/model-name.ts'

describe('fullModelName', () => {
  it.each([
    ['llama3', 'llama3:latest'],
    ['llama3:latest', 'llama3:latest'],
    ['llama3:8b', 'llama3:8b'],
    ['me/llama3', 'me/llama3:latest'],
    ['host:5000/me/llama3', 'host:5000/me/llama3:latest'],
    ['host:5000/me/llama3:8b', 'host:5000/me/llama3:8b'],
  ])('of %s is %s', (name, full) => expect(fullModelName(name)).toBe(full))
})
