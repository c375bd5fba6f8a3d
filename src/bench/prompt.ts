const WORDS = 'the river runs past an old mill and a field of barley where two crows sit on the fence and wait'.split(
  ' ',
)
const QUESTION = 'Tell a long story about what happens next.'

/**
 * A prompt of about so many tokens: a word of these is one for most models. It begins with a number of its own, so that
 * the server finds nothing of it in its cache.
 */
export function makePrompt(number: number, tokens: number): string {
  const length = Math.max(0, tokens - QUESTION.split(' ').length - 4)
  const words = Array.from({ length }, (_, index) => WORDS[index % WORDS.length] ?? '')
  return [`Story ${number}:`, ...words, QUESTION].join(' ')
}
