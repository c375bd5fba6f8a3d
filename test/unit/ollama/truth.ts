import type { RecordingVersion } from '../../../src/demo/recordings.ts'

/**
 * What the recordings say, read off their raw bytes by a script and by hand: nothing here was written by the code under
 * test. A line a recording; `-` is what the answer does not tell. `chunks` are NDJSON lines or server-sent events
 * without `[DONE]`, `in` is the input and, after a slash, what of it was cached, `first` is the number of the one with the first token, counted from 0; the durations are load,
 * prompt_eval and eval in nanoseconds. `stream` and `model` are what the request said.
 */
const GENERATIONS = {
  ollama: `
name                                in out chunks first stream model       ending, durations
chat-format-stream                  15  15     15     0 -      chat:270m   stop 131282044 361545047 682056772
chat-json                           15  24      0     - false  chat:270m   length 125748785 43532374 1052515618
chat-num-predict-1                  15   1      2     0 -      chat:270m   length 92675884 42330373 -
chat-preload                         -   -      0     - -      gemma3:270m load
chat-stream                         15  24     25     0 -      chat:270m   length 131304142 385703865 1090510317
chat-thinking-json                  19  24      0     - false  think:270m  length 112596814 42643449 1191326622
chat-thinking-stream                19  24     19     0 -      think:270m  length 150267327 123690205 1059487273
chat-tools-stream                   63  32      2     0 -      tools:270m  stop 131726317 1602912056 1488570670
chat-truncated-context             128   8      9     0 -      chat:270m   length 682747712 3527322576 344381884
chat-unicode-stream                 11  24     25     0 -      gemma3:270m length 152771179 290021609 1166817952
client-abort-during-load             -   -      0     - -      gemma3:270m client_abort/client_abort
client-abort-mid-stream              -   -     11     0 -      gemma3:270m client_abort/client_abort
client-abort-waiting-for-slot        -   -      0     - -      gemma3:270m client_abort/client_abort
content-type-text                    2   3      0     - false  gemma3:270m length 101328566 40433481 94788743
err-bad-format                       -   -      0     - -      gemma3:270m caller_error/bad_request
err-bad-json                         -   -      0     - -      invalid     caller_error/bad_request
err-bad-option                       -   -      0     - -      gemma3:270m caller_error/bad_request
err-generate-not-found               -   -      0     - -      nope        caller_error/model_not_found
err-model-missing                    -   -      0     - -      none        caller_error/model_not_found
err-model-not-found                  -   -      0     - -      nope        caller_error/model_not_found
err-no-body                          -   -      0     - -      none        caller_error/bad_request
err-queue-full                       -   -      0     - false  think:270m  rejected/queue_full
err-thinking-unsupported             -   -      0     - -      chat:270m   caller_error/bad_request
err-tools-unsupported                -   -      0     - -      chat:270m   caller_error/bad_request
err-v1-bad-json                      -   -      0     - -      invalid     caller_error/bad_request
err-v1-not-found                     -   -      0     - -      nope        caller_error/model_not_found
generate-context-shift               5 120      0     - false  gemma3:270m length 666631183 142221982 5689288777
generate-json                        6  24      0     - false  gemma3:270m length 139840898 52204932 1082612274
generate-logprobs                    9   4      5     0 -      gemma3:270m length 140568433 44312002 139792094
generate-no-truncate                 -   -      0     - -      gemma3:270m caller_error/bad_request
generate-preload                     -   -      0     - -      gemma3:270m load
generate-raw-stop                    9  11     11     0 -      gemma3:270m stop 140893717 214013062 453132250
generate-stream-cold                 6  24     25     0 -      gemma3:270m length 675993629 195309942 1132577737
generate-stream-warm                 6  24     25     0 -      gemma3:270m length 169597717 90164059 1209997248
generate-unload                      -   -      0     - -      gemma3:270m unload
runner-killed-chat                   -   -     15     0 -      gemma3:270m error/runner_crash
runner-killed-during-load-generate   -   -      0     - -      gemma3:270m error/load_failed
runner-killed-during-load-v1-chat    -   -      0     - true   gemma3:270m error/load_failed
runner-killed-generate               -   -     15     0 -      gemma3:270m error/runner_crash
runner-killed-json                   -   -      0     - false  gemma3:270m error/runner_crash
runner-killed-v1-chat                -   -     16     0 true   gemma3:270m truncated/truncated
runner-killed-v1-json                -   -      0     - -      gemma3:270m error/runner_crash
server-killed-mid-stream             -   -     15     0 -      gemma3:270m truncated/truncated
server-stopped-mid-stream            -   -     15     0 -      gemma3:270m truncated/truncated
slot-busy                            -   -     45     0 -      gemma3:270m truncated/truncated
slot-waited                          6  10     11     0 -      gemma3:270m length 211696724 95005712 402977464
unload-before                        -   -      0     - -      gemma3:270m unload
v1-chat-json                        15  12      0     - -      chat:270m   length
v1-chat-stream-usage                15  12     14     0 true   chat:270m   length
v1-chat-stream                       -   -     13     0 true   chat:270m   length
v1-chat-thinking-stream             19  12     11     0 true   think:270m  length
v1-chat-tools-stream                63  32      3     0 true   tools:270m  tool_calls
embed                                3   -      0     - -      all-minilm:l6 success 6971742
embed-batch                          8   -      0     - -      all-minilm:l6 success 6812225
embeddings                           -   -      0     - -      all-minilm:l6 success
v1-embeddings                        6   -      0     - -      all-minilm:l6 success
runner-killed-v1-messages            -   -     16     2 true   gemma3:270m truncated/truncated
runner-killed-v1-responses           -   -     19     4 true   gemma3:270m truncated/truncated
v1-completions-json                  4   8      0     - -      gemma3:270m length
v1-completions-stream                -   -      9     0 true   gemma3:270m length
v1-completions-stream-usage          4   8     10     0 true   gemma3:270m length
v1-messages-json                    15  12      0     - -      chat:270m   length
v1-messages-stream                  15  12     17     2 true   chat:270m   length
v1-responses-json                 15/0  12      0     - -      chat:270m   success
v1-responses-stream               15/0  12     20     4 true   chat:270m   success
`,
  'ollama-0.33': `
name                                in out chunks first stream model       ending, durations
chat-format-stream                  15  13     13     0 -      chat:270m   stop 1433101 46654000 445069000
chat-json                           15  24      0     - false  chat:270m   length 963656 20455000 273859000
chat-num-predict-1                  15   1      2     0 -      chat:270m   length 1234791 22540000 1000
chat-preload                         -   -      0     - -      gemma3:270m load
chat-stream                         15  24     25     0 -      chat:270m   length 69554285 31681000 279838000
chat-thinking-json                  19  24      0     - false  think:270m  length 3248613 23889000 294472000
chat-thinking-stream                19  24     19     0 -      think:270m  length 69415338 26743000 293175000
chat-tools-stream                   63  31      2     0 -      tools:270m  stop 76724885 158306000 665854000
chat-truncated-context              67   8      9     0 -      chat:270m   length 1386365052 104938000 99960000
chat-unicode-stream                 11  24     25     0 -      gemma3:270m length 1679834 32027000 287207000
client-abort-during-load             -   -      0     - -      gemma3:270m client_abort/client_abort
client-abort-mid-stream              -   -     52     0 -      gemma3:270m client_abort/client_abort
client-abort-waiting-for-slot        -   -      0     - -      gemma3:270m client_abort/client_abort
content-type-text                    2   3      0     - false  gemma3:270m length 892210 19048000 27895000
err-bad-format                       -   -      0     - -      gemma3:270m caller_error/bad_request
err-bad-json                         -   -      0     - -      invalid     caller_error/bad_request
err-bad-option                       -   -      0     - -      gemma3:270m caller_error/bad_request
err-generate-not-found               -   -      0     - -      nope        caller_error/model_not_found
err-model-missing                    -   -      0     - -      none        caller_error/model_not_found
err-model-not-found                  -   -      0     - -      nope        caller_error/model_not_found
err-no-body                          -   -      0     - -      none        caller_error/bad_request
err-queue-full                       -   -      0     - false  think:270m  rejected/queue_full
err-thinking-unsupported             -   -      0     - -      chat:270m   caller_error/bad_request
err-tools-unsupported                -   -      0     - -      chat:270m   caller_error/bad_request
err-v1-bad-json                      -   -      0     - -      invalid     caller_error/bad_request
err-v1-not-found                     -   -      0     - -      nope        caller_error/model_not_found
generate-context-shift               5 120      0     - false  gemma3:270m length 1584084705 32436000 1712453000
generate-json                        6  24      0     - false  gemma3:270m length 882225 22878000 285322000
generate-logprobs                    9   4      5     0 -      gemma3:270m length 1190966 21745000 41744000
generate-no-truncate                 -   -      0     - -      gemma3:270m caller_error/bad_request
generate-preload                     -   -      0     - -      gemma3:270m load
generate-raw-stop                    9  11     11     0 -      gemma3:270m stop 1025659 24139000 127112000
generate-stream-cold                 6  24     25     0 -      gemma3:270m length 1334564045 33295000 306558000
generate-stream-warm                 6  24     25     0 -      gemma3:270m length 1184976 23347000 291937000
generate-unload                      -   -      0     - -      gemma3:270m unload
oom-during-load-generate             -   -      0     - -      gemma3:270m error/load_failed
oom-during-load-v1-chat              -   -      0     - true   gemma3:270m error/load_failed
repeat-guard-json                    -   -      0     - false  gemma3:270m truncated/truncated
runner-killed-chat                   -   -     28     0 -      gemma3:270m error/runner_crash
runner-killed-during-load-generate   -   -      0     - -      gemma3:270m error/load_failed
runner-killed-during-load-v1-chat    -   -      0     - true   gemma3:270m error/load_failed
runner-killed-generate               -   -     30     0 -      gemma3:270m error/runner_crash
runner-killed-json                   -   -      0     - false  gemma3:270m error/runner_crash
runner-killed-v1-chat                -   -     25     0 true   gemma3:270m truncated/truncated
runner-killed-v1-json                -   -      0     - -      gemma3:270m error/runner_crash
server-killed-mid-stream             -   -     27     0 -      gemma3:270m truncated/truncated
server-stopped-mid-stream            -   -     25     0 -      gemma3:270m truncated/truncated
slot-busy                           10 240    241     0 -      gemma3:270m length 1413357 34264000 3411012000
slot-waited                         10  40     41     0 -      gemma3:270m length 1290714 25187000 541565000
unload-before                        -   -      0     - -      gemma3:270m unload
v1-chat-json                        15  12      0     - -      chat:270m   length
v1-chat-stream-usage                15  12     14     0 true   chat:270m   length
v1-chat-stream                       -   -     13     0 true   chat:270m   length
v1-chat-thinking-stream             19  12     11     0 true   think:270m  length
v1-chat-tools-stream                63  31      3     0 true   tools:270m  tool_calls
embed                                3   -      0     - -      all-minilm:l6 success 268752954
embed-batch                          8   -      0     - -      all-minilm:l6 success 1018679
embeddings                           -   -      0     - -      all-minilm:l6 success
v1-embeddings                        6   -      0     - -      all-minilm:l6 success
runner-killed-v1-messages            -   -     25     2 true   gemma3:270m truncated/truncated
runner-killed-v1-responses           -   -     28     4 true   gemma3:270m truncated/truncated
v1-completions-json                  4   8      0     - -      gemma3:270m length
v1-completions-stream                -   -      9     0 true   gemma3:270m length
v1-completions-stream-usage          4   8     10     0 true   gemma3:270m length
v1-messages-json                    15  12      0     - -      chat:270m   length
v1-messages-stream                  15  12     17     2 true   chat:270m   length
v1-responses-json                 15/0  12      0     - -      chat:270m   success
v1-responses-stream               15/0  12     20     4 true   chat:270m   success
`,
}

/** How the other recordings end, the same with both versions. */
const ENDINGS = {
  success: `absolute-form accept-gzip blob-head-there blob-upload content-type-none copy create-stream delete
    dot-segments double-slash encoded-path expect-100 experimental-recommendations
    host-local options-cors origin-allowed ps-cpu ps-empty ps-keep-alive-forever ps-loading-order ps-two-models
    pull-again pull-progress query-string redirect-slash redirect-slash-post root-get root-head show status tags
    tags-empty upgrade-h2c v1-model v1-models version`,
  'caller_error/bad_request': `blob-head-bad blob-upload-wrong-digest err-method err-method-v1 host-refused
    origin-refused`,
  'caller_error/not_found': 'blob-head-missing err-pprof err-unknown-metrics err-unknown-path',
  'caller_error/model_not_found': `delete-missing err-messages-not-found err-responses-not-found
    err-show-not-found`,
  'caller_error/unsupported': 'embed-unsupported',
  'error/load_failed': 'runner-killed-during-load-embed',
  'error/stream_error': 'create-error pull-error pull-not-found push-error',
  'error/other': 'me pull-error-json',
}

/** Answered at once, and in the newer recording the answer was lost to a reset. */
const ANSWERED_OR_RESET = 'blob-upload-there'

export interface Truth {
  readonly outcome: string
  readonly errorType: string | undefined
  readonly inputTokens: number | undefined
  readonly cachedInputTokens: number | undefined
  readonly outputTokens: number | undefined
  readonly loadNanoseconds: number | undefined
  readonly promptEvalNanoseconds: number | undefined
  readonly evalNanoseconds: number | undefined
  readonly chunks: number
  /** The number of the record that held the first token. */
  readonly firstChunk: number | undefined
  readonly model: string
  readonly stream: boolean | undefined
}

/** Every answer of a model, by name. */
export function generationsOf(version: RecordingVersion): ReadonlyMap<string, Truth> {
  const [, ...lines] = GENERATIONS[version].trim().split('\n')
  return new Map(lines.map(readLine))
}

/** How the other routes end: outcome and error type, by name. */
export function endingsOf(version: RecordingVersion): ReadonlyMap<string, readonly [string, string | undefined]> {
  const endings = new Map(
    Object.entries(ENDINGS).flatMap(([ending, names]) =>
      names.split(/\s+/).map((name) => [name, split(ending)] as const),
    ),
  )
  if (version === 'ollama') endings.set(ANSWERED_OR_RESET, ['success', undefined])
  return endings
}

function readLine(line: string): [name: string, truth: Truth] {
  const [name = '', input, output, chunks, first, stream, model = '', ending = '', ...durations] = line.split(/ +/)
  const [outcome, errorType] = split(ending)
  return [
    name,
    {
      outcome,
      errorType,
      inputTokens: number(input?.split('/')[0]),
      cachedInputTokens: number(input?.split('/')[1]),
      outputTokens: number(output),
      loadNanoseconds: number(durations[0]),
      promptEvalNanoseconds: number(durations[1]),
      evalNanoseconds: number(durations[2]),
      chunks: Number(chunks),
      firstChunk: number(first),
      model,
      stream: stream === '-' ? undefined : stream === 'true',
    },
  ]
}

function split(ending: string): readonly [outcome: string, errorType: string | undefined] {
  const [outcome = '', errorType] = ending.split('/')
  return [outcome, errorType]
}

function number(text: string | undefined): number | undefined {
  return text === undefined || text === '-' ? undefined : Number(text)
}
