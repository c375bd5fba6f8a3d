/** One kind of request of the mixed load. */
export interface Scene {
  readonly name: string
  /** How often it comes, compared with the others. */
  readonly weight: number
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Sent as JSON; a string goes as it is. */
  readonly body?: object | string
  /** The client leaves: so many milliseconds after it asked, or once it has so many bytes of the body. */
  readonly leave?: { readonly afterMs: number } | { readonly afterBytes: number }
}

const question = [{ role: 'user', content: 'Why is the sky blue?' }]
const weatherQuestion = [{ role: 'user', content: 'What is the weather in Paris?' }]
const sky = 'The sky is blue because'
const dragon = 'Once upon a time there was a dragon who'
const count = 'Count: one two three'
const steady = { seed: 7, temperature: 0 }
const brief = { num_predict: 24, ...steady }
const usage = { stream_options: { include_usage: true } }
const few = { max_tokens: 12, ...steady }

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

function post(name: string, weight: number, path: string, body: object | string): Scene {
  return { name, weight, method: 'POST', path, body }
}

function get(name: string, weight: number, path: string): Scene {
  return { name, weight, method: 'GET', path }
}

const native: Scene[] = [
  post('chat', 16, '/api/chat', { model: 'chat:270m', messages: question, options: brief }),
  post('chat, not streamed', 6, '/api/chat', { model: 'chat:270m', messages: question, stream: false, options: brief }),
  post('chat, thinking', 6, '/api/chat', { model: 'think:270m', think: true, messages: question, options: brief }),
  post('chat, thinking, not streamed', 2, '/api/chat', {
    model: 'think:270m',
    think: true,
    messages: question,
    stream: false,
    options: brief,
  }),
  post('chat, tools', 4, '/api/chat', {
    model: 'tools:270m',
    tools: [weather],
    messages: weatherQuestion,
    options: { num_predict: 60, ...steady },
  }),
  post('generate', 10, '/api/generate', { model: 'gemma3:270m', prompt: sky, options: brief }),
  post('generate, not streamed', 5, '/api/generate', {
    model: 'gemma3:270m',
    prompt: sky,
    stream: false,
    options: brief,
  }),
  post('generate, long', 3, '/api/generate', {
    model: 'gemma3:270m',
    prompt: dragon,
    options: { num_predict: 240, seed: 3, temperature: 1 },
  }),
  post('generate, waits for a slot', 1, '/api/generate', {
    model: 'gemma3:270m',
    prompt: dragon,
    options: { num_predict: 40, seed: 3, temperature: 1 },
  }),
  post('embed', 5, '/api/embed', { model: 'all-minilm:l6', input: 'hello' }),
  post('embed, batch', 2, '/api/embed', { model: 'all-minilm:l6', input: ['hello', 'world wide web'] }),
]

const compatible: Scene[] = [
  post('v1 chat', 6, '/v1/chat/completions', { model: 'chat:270m', messages: question, stream: true, ...few }),
  post('v1 chat, usage', 8, '/v1/chat/completions', {
    model: 'chat:270m',
    messages: question,
    stream: true,
    ...usage,
    ...few,
  }),
  post('v1 chat, not streamed', 4, '/v1/chat/completions', { model: 'chat:270m', messages: question, ...few }),
  post('v1 chat, thinking', 2, '/v1/chat/completions', {
    model: 'think:270m',
    reasoning_effort: 'low',
    messages: question,
    stream: true,
    ...usage,
    ...few,
  }),
  post('v1 completions, usage', 2, '/v1/completions', {
    model: 'gemma3:270m',
    prompt: 'The sky is',
    stream: true,
    ...usage,
    max_tokens: 8,
    ...steady,
  }),
  post('v1 responses', 2, '/v1/responses', {
    model: 'chat:270m',
    input: 'Why is the sky blue?',
    stream: true,
    max_output_tokens: 12,
    temperature: 0,
  }),
  post('v1 messages', 2, '/v1/messages', {
    model: 'chat:270m',
    messages: question,
    max_tokens: 12,
    stream: true,
    temperature: 0,
  }),
  post('v1 embeddings', 2, '/v1/embeddings', { model: 'all-minilm:l6', input: ['hello', 'world'] }),
]

const others: Scene[] = [
  get('tags', 2, '/api/tags'),
  get('ps', 2, '/api/ps'),
  get('version', 2, '/api/version'),
  post('unknown model', 2, '/api/chat', { model: 'nope', messages: question }),
  post('v1 unknown model', 1, '/v1/chat/completions', { model: 'nope', messages: question }),
  post('broken JSON', 1, '/api/chat', '{"model":'),
  get('unknown path', 1, '/nope'),
  {
    // Leaves after a handful of tokens of an answer that would go on.
    ...post('leaves mid-stream', 3, '/api/generate', {
      model: 'gemma3:270m',
      prompt: count,
      options: { num_predict: 200, seed: 7 },
    }),
    leave: { afterBytes: 800 },
  },
  {
    ...post('leaves before the first token', 2, '/api/generate', {
      model: 'gemma3:270m',
      prompt: count,
      options: { num_predict: 20, ...steady },
    }),
    leave: { afterMs: 200 },
  },
]

/** The mixed load: only models that the recordings know, most of it healthy. */
export const trafficMix: readonly Scene[] = [...native, ...compatible, ...others]

/** A stream of numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The scene that a number from 0 up to 1 falls on, by weight. Throws where there are no scenes. */
export function drawScene(scenes: readonly Scene[], random: number): Scene {
  const total = scenes.reduce((sum, scene) => sum + scene.weight, 0)
  let left = random * total
  for (const scene of scenes) {
    left -= scene.weight
    if (left < 0) return scene
  }
  throw new RangeError('there is no scene to draw')
}
