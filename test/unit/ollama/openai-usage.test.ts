import { describe, expect, it } from 'vitest'
import { openaiChatExtractor } from '../../../src/ollama/openai-usage.ts'
import { extract } from './extract.ts'

const usage = { prompt_tokens: 5, completion_tokens: 6, prompt_tokens_details: { cached_tokens: 4 } }
const read = { inputTokens: 5, outputTokens: 6, cachedInputTokens: 4 }

describe('openaiChatExtractor, streaming', () => {
  it('reads the usage of the event without choices, wherever its keys stand', () => {
    const choice = { choices: [{ delta: { content: 'x' } }], usage: { prompt_tokens: 0, completion_tokens: 0 } }
    expect(extract(openaiChatExtractor, [choice, { choices: [], usage }]).usage).toEqual(read)
    expect(extract(openaiChatExtractor, [{ usage, choices: [] }]).usage).toEqual(read)
    expect(extract(openaiChatExtractor, [{ usage, choices: [{ delta: {} }] }]).usage).toEqual({})
  })

  it('is not finished by a record', () => {
    const last = { choices: [{ delta: {}, finish_reason: 'stop' }] }
    expect(extract(openaiChatExtractor, [last])).toMatchObject({ finished: false, reason: 'stop' })
    expect(openaiChatExtractor).toMatchObject({ saysFinished: true, doneMarker: true })
  })

  it('keeps the reason that was said', () => {
    const reasons = ['length', null, '', undefined].map((finish_reason) => ({ choices: [{ finish_reason }] }))
    expect(extract(openaiChatExtractor, [...reasons, { choices: [], usage }]).reason).toBe('length')
  })
})

describe('openaiChatExtractor, a whole answer', () => {
  const whole = { choices: [{ message: { content: 'x' }, finish_reason: 'tool_calls' }], usage }

  it('reads usage and reason beside the choices', () => {
    const facts = extract(openaiChatExtractor, [whole], false)
    expect(facts).toMatchObject({ finished: true, reason: 'tool_calls', hasContent: true, usage: read })
  })

  it('is finished only where it gives a reason', () => {
    for (const finish_reason of [null, '', undefined, 7]) {
      const unfinished = { ...whole, choices: [{ message: { content: 'x' }, finish_reason }] }
      expect(extract(openaiChatExtractor, [unfinished], false)).toMatchObject({ finished: false, reason: undefined })
    }
  })

  it.each([{ content: 'x' }, { content: '', reasoning: 'x' }, { content: null, tool_calls: [{}] }])(
    'has content: %j',
    (message) => {
      expect(extract(openaiChatExtractor, [{ choices: [{ message }] }], false).hasContent).toBe(true)
    },
  )

  it.each([-1, 1.5, '7', null, {}])('takes %j for no count', (value) => {
    const counts = { prompt_tokens: value, completion_tokens: value, prompt_tokens_details: { cached_tokens: value } }
    expect(extract(openaiChatExtractor, [{ ...whole, usage: counts }], false).usage).toEqual({})
  })
})
