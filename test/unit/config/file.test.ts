import { describe, expect, it } from 'vitest'
import { modelLimits, modelTargets, parseConfigFile, readConfigFile } from '../../../src/config/file.ts'
import type { FileConfig } from '../../../src/config/file.ts'

function valueOf(text: string): FileConfig {
  const parsed = parseConfigFile(text)
  return 'value' in parsed ? parsed.value : expect.fail(parsed.problems.join('\n'))
}

function problemsOf(text: string): readonly string[] {
  const parsed = parseConfigFile(text)
  return 'problems' in parsed ? parsed.problems : expect.fail(`accepted: ${text}`)
}

const ttft50 = (seconds: number) => ({ metric: 'ttft', quantile: 0.5, seconds })
const ttft95 = (seconds: number) => ({ metric: 'ttft', quantile: 0.95, seconds })
const request50 = (seconds: number) => ({ metric: 'request', quantile: 0.5, seconds })
const request95 = (seconds: number) => ({ metric: 'request', quantile: 0.95, seconds })

const hash = (digit: string) => digit.repeat(64)
const keys = 'tier, targets, firstByteTimeout, idleTimeout, connectRetries, retryDelay, processor'
const noProcessor = 'not cpu; write cpu, or leave it out'
const noTokens = 'not a map of tokens; write name: hash, or leave tokens out'
const noHash = 'not a hash; write the 64 hex digits that printf %s "$TOKEN" | sha256sum prints, or a list of such'
const noDuration = 'not a duration; write 500ms, 30s, 5m or 1h'

describe('a config file', () => {
  it("gives a model its tier's targets, and its own in their place, one value at a time", () => {
    const { models, tiers } = valueOf(`
models:
  llama3:70b:
    tier: interactive
    targets: {ttft: {p95: 4s}}
  qwen3: {tier: interactive}
  me/own: {targets: {request: {p50: 1m, p95: 1h}}}
tiers:
  interactive:
    request: {p95: 30s, p50: 5s}
    ttft: {p50: 500ms, p95: 2s}
  unused: {ttft: {p50: 1ms}}
`)
    expect(tiers).toEqual(['interactive', 'unused'])
    expect([...models].map(([name, { tier, targets }]) => [name, { tier, targets }])).toEqual([
      ['llama3:70b', { tier: 'interactive', targets: [ttft50(0.5), ttft95(4), request50(5), request95(30)] }],
      ['qwen3:latest', { tier: 'interactive', targets: [ttft50(0.5), ttft95(2), request50(5), request95(30)] }],
      ['me/own:latest', { tier: undefined, targets: [request50(60), request95(3600)] }],
    ])
  })

  it('is one list of targets, ordered by model, metric and quantile', () => {
    const { models } = valueOf(`
models:
  b: {tier: slow, targets: {ttft: {p95: 1s}, request: {p50: 2s}}}
  a: {targets: {request: {p50: 2s}, ttft: {p50: 1s}}}
tiers: {slow: {request: {p95: 3s}}}
`)
    expect(modelTargets(models)).toEqual([
      { model: 'a:latest', tier: '', ...ttft50(1) },
      { model: 'a:latest', tier: '', ...request50(2) },
      { model: 'b:latest', tier: 'slow', ...ttft95(1) },
      { model: 'b:latest', tier: 'slow', ...request50(2) },
      { model: 'b:latest', tier: 'slow', ...request95(3) },
    ])
  })

  it.each(['', '\n', '# nothing\n', '---\n', '~', '{}', 'models:', 'tiers:\nmodels: {}\n', '\uFEFF'])(
    'of %j configures nothing',
    (text) => expect(valueOf(text)).toEqual({ models: new Map(), tiers: [], tokens: [] }),
  )

  it('takes a key without a value for an empty map', () => {
    const { models } = valueOf('tiers: {t: }\nmodels: {a: , b: {targets: }, c: {targets: {ttft: }}, d: {tier: t}}')
    expect([...models.values()].map(({ targets }) => targets)).toEqual([[], [], [], []])
    expect([...models.keys()]).toEqual(['a:latest', 'b:latest', 'c:latest', 'd:latest'])
  })

  it('takes names as they are written, also those that look like something else', () => {
    const names = ['1.10', 'null', 'true', '__proto__', 'constructor', 'hf.co/me/m:Q4_K_M', '0x10']
    const { models } = valueOf(`models:\n${names.map((name) => `  ${name}: {targets: {ttft: {p50: 1s}}}\n`).join('')}`)
    const full = names.map((name) => (name.includes(':') ? name : `${name}:latest`))
    expect(new Set(models.keys())).toEqual(new Set(full))
    for (const { targets } of models.values()) expect(targets).toEqual([ttft50(1)])
  })

  it('shares targets of more models than a hundred by an alias', () => {
    const others = Array.from({ length: 150 }, (_, index) => `  m${index}: *shared\n`)
    const { models } = valueOf(`models:\n  m: &shared {targets: {ttft: {p95: 1s}}}\n${others.join('')}`)
    expect(models.size).toBe(151)
    expect(models.get('m149:latest')).toMatchObject({ tier: undefined, targets: [ttft95(1)] })
  })

  it('gives models limits of their own', () => {
    const { models } = valueOf(`
models:
  a: {firstByteTimeout: 1h, idleTimeout: 1ms, connectRetries: 10, retryDelay: 0ms}
  b:2: {connectRetries: 0}
  c: {tier: t}
  d:
tiers: {t: }
`)
    expect([...modelLimits(models)]).toEqual([
      ['a:latest', { firstByteMs: 3_600_000, idleMs: 1, connectRetries: 10, retryDelayMs: 0 }],
      ['b:2', { connectRetries: 0 }],
    ])
  })

  it('says which models are meant to run on the CPU', () => {
    const { models } = valueOf(
      'models: {a: {processor: cpu}, b:2: {processor: "cpu", idleTimeout: 1s}, c: {tier: t}}\ntiers: {t: }',
    )
    expect([...models].map(([name, { processor }]) => [name, processor])).toEqual([
      ['a:latest', 'cpu'],
      ['b:2', 'cpu'],
      ['c:latest', undefined],
    ])
    expect([...modelLimits(models).keys()]).toEqual(['b:2'])
  })

  it('has tokens, one or several of a client', () => {
    const { tokens } = valueOf(`
tokens:
  ci: ${hash('A')}
  Lap.top_1-x: [${hash('b')}, "${hash('c')}"]
`)
    expect(tokens).toEqual([
      { name: 'ci', sha256: hash('a') },
      { name: 'Lap.top_1-x', sha256: hash('b') },
      { name: 'Lap.top_1-x', sha256: hash('c') },
    ])
  })
})

describe('a mistake in a config file', () => {
  it('is told together with all others, each with its path and line', () => {
    const text = `tiers:
  interactive: {targets: {ttft: {p50: 1s}}}
  batch:
    ttft: {p50: 0s, p59: 1s}
tokens: [alice]
modles: {}
models:
  llama3:70b:
    teir: batch
    tier: bacht
    targets:
      ttft:
        p50: 4
        p95: 4 seconds
      request: {p95: 597h, p50: [5s]}
    idleTimeout: 5
  llama3: 5s
  llama3:latest: {tier: 7}
  qwen3: {targets: [ttft], processor: gpu}
`
    expect(problemsOf(text)).toEqual([
      'line 2: tiers.interactive.targets: unknown key; what can stand here: ttft, request',
      'line 4: tiers.batch.ttft.p59: unknown key; did you mean p50? what can stand here: p50, p95',
      'line 4: tiers.batch.ttft.p50=0s: too short; write at least 1ms',
      `line 5: tokens: ${noTokens}`,
      'line 6: modles: unknown key; did you mean models? what can stand here: tiers, models, tokens',
      `line 9: models.llama3:70b.teir: unknown key; did you mean tier? what can stand here: ${keys}`,
      'line 10: models.llama3:70b.tier=bacht: no such tier; did you mean batch?',
      `line 13: models.llama3:70b.targets.ttft.p50=4: ${noDuration}`,
      `line 14: models.llama3:70b.targets.ttft.p95=4 seconds: ${noDuration}`,
      `line 15: models.llama3:70b.targets.request.p50: ${noDuration}`,
      'line 15: models.llama3:70b.targets.request.p95=597h: too long; write at most 596h',
      `line 16: models.llama3:70b.idleTimeout=5: ${noDuration}`,
      `line 17: models.llama3: not a map; write keys with values; what can stand here: ${keys}`,
      'line 18: models.llama3:latest.tier=7: not text; write a name, in quotes where it looks like a number',
      'line 18: models.llama3:latest: the same model as llama3 (line 17); write it once',
      'line 19: models.qwen3.targets: not a map; write keys with values; what can stand here: ttft, request',
      `line 19: models.qwen3.processor=gpu: ${noProcessor}`,
    ])
  })

  const atRoot = 'line 1: not a map; write keys with values; what can stand here: tiers, models, tokens'
  it.each([
    ['hello', [atRoot]],
    ['- models', [atRoot]],
    ['5', [atRoot]],
    ['models: [a]', ['line 1: models: not a map; write names with what belongs to them']],
    ['"": {}', ['line 1: "": unknown key; what can stand here: tiers, models, tokens']],
    ['tiers: {"": }', ['line 1: tiers."": a name is empty; write one']],
    ['models: {"": }', ['line 1: models."": a name is empty; write one']],
    ['models: {a: {targets: {ttft: {p95: }}}}', [`line 1: models.a.targets.ttft.p95: ${noDuration}`]],
    ['models: {a: {tier: }}', [expect.stringMatching(/^line 1: models\.a\.tier: not text; /)]],
    ['models: {a: {tier: b}}', ['line 1: models.a.tier=b: no such tier; define it under tiers']],
    ['models: {a: {tier: toString}}', ['line 1: models.a.tier=toString: no such tier; define it under tiers']],
    ['tiers: 5\nmodels: {a: {tier: b}}', ['line 1: tiers: not a map; write names with what belongs to them']],
    [
      'models: {a/~1: {tier: b}, "a~1/": 5}',
      [
        `line 1: models.a~1/: not a map; write keys with values; what can stand here: ${keys}`,
        'line 1: models.a/~1.tier=b: no such tier; define it under tiers',
      ],
    ],
    ['models:\n  a:\n    tier:\n      b', ['line 3: models.a.tier=b: no such tier; define it under tiers']],
    [
      'models:\n  a: &a\n    tire: b\n  b: *a',
      [
        `line 3: models.a.tire: unknown key; did you mean tier? what can stand here: ${keys}`,
        `line 3: models.b.tire: unknown key; did you mean tier? what can stand here: ${keys}`,
      ],
    ],
    ['tiers: {t: {ttft: {xy: 1s}}}', ['line 1: tiers.t.ttft.xy: unknown key; what can stand here: p50, p95']],
    ['__proto__: {}', ['line 1: __proto__: unknown key; what can stand here: tiers, models, tokens']],
    ['idleTimeout: 5s', ['line 1: idleTimeout: unknown key; what can stand here: tiers, models, tokens']],
    ['models: {a: {<<: {tier: b}}}', [`line 1: models.a.<<: unknown key; what can stand here: ${keys}`]],
    [
      'models: {x: &x {targets: *x}}',
      ['line 1: models.x.targets.targets: unknown key; what can stand here: ttft, request'],
    ],
  ])('of shape: %j', (text, problems) => expect(problemsOf(text)).toEqual(problems))

  it.each([
    ['gpu', '=gpu'],
    ['CPU', '=CPU'],
    ['cpus', '=cpus'],
    ['true', '=true'],
    ['5', '=5'],
    ['', ''],
    ['[cpu]', ''],
    ['{cpu: }', ''],
  ])('is a processor other than cpu: "%s"', (text, shown) =>
    expect(problemsOf(`models:\n  a:\n    processor: ${text}`)).toEqual([
      `line 3: models.a.processor${shown}: ${noProcessor}`,
    ]),
  )

  it('is a processor where it means nothing', () => {
    const known = 'what can stand here: '
    expect(problemsOf('processor: cpu')).toEqual([`line 1: processor: unknown key; ${known}tiers, models, tokens`])
    expect(problemsOf('tiers: {t: {processor: cpu}}')).toEqual([
      `line 1: tiers.t.processor: unknown key; ${known}ttft, request`,
    ])
  })

  const noRetries = 'not a whole number; write one from 0 to 10'
  it.each([
    ['firstByteTimeout: 0s', 'firstByteTimeout=0s: too short; write at least 1ms'],
    ['idleTimeout: 0ms', 'idleTimeout=0ms: too short; write at least 1ms'],
    ['idleTimeout: 30', `idleTimeout=30: ${noDuration}`],
    ['idleTimeout: ', `idleTimeout: ${noDuration}`],
    ['retryDelay: 1 s', `retryDelay=1 s: ${noDuration}`],
    ['retryDelay: 597h', 'retryDelay=597h: too long; write at most 596h'],
    ['connectRetries: 11', `connectRetries=11: ${noRetries}`],
    ['connectRetries: -1', `connectRetries=-1: ${noRetries}`],
    ['connectRetries: 1.5', `connectRetries=1.5: ${noRetries}`],
    ['connectRetries: "3"', `connectRetries=3: ${noRetries}`],
    ['connectRetries: ', `connectRetries: ${noRetries}`],
  ])('is a limit of a model: %s', (text, problem) =>
    expect(problemsOf(`models:\n  a:\n    ${text}`)).toEqual([`line 3: models.a.${problem}`]),
  )

  const noName = 'the name is not usable; write 1 to 64 letters, digits, dots, underscores and hyphens'
  const twice = 'a hash that stands above already; write it once'
  it.each([
    ['tokens:', [noTokens]],
    ['tokens: {}', [noTokens]],
    [`tokens: [${hash('a')}]`, [noTokens]],
    ['tokens: hush', [noTokens]],
    ['tokens: {ci: hush}', [noHash]],
    ['tokens: {ci: }', [noHash]],
    ['tokens: {ci: hush, x: hush}', [noHash]],
    ['tokens: {ci: []}', [noHash]],
    [`tokens: {ci: [${hash('a')}, hush]}`, [noHash]],
    [`tokens: {ci: {a: ${hash('a')}}}`, [noHash]],
    [`tokens: {ci: ${hash('a')}0}`, [noHash]],
    [`tokens: {ci: ${hash('g')}}`, [noHash]],
    [`tokens: {"": ${hash('a')}}`, [noName]],
    [`tokens: {a b: ${hash('a')}, ${'x'.repeat(65)}: ${hash('b')}}`, [noName]],
    [`tokens: {a: ${hash('a')}, b: ${hash('A')}}`, [twice]],
    [`tokens: {a: [${hash('a')}, ${hash('a')}]}`, [twice]],
    ['tokens: {a: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}', [expect.stringMatching(/empty/)]],
  ])('is in the tokens: %.40j', (text, problems) =>
    expect(problemsOf(`tiers:\n${text}`)).toEqual(
      problems.map((why): unknown => (typeof why === 'string' ? `line 2: tokens: ${why}` : why)),
    ),
  )

  it.each([
    ['models:\n\ta: {}', ['line 2: indented with a tab; write spaces']],
    ['models: {}\n---\ntiers: {}', ['line 2: a second document begins; write only one, without --- between']],
    ['models: {}\nmodels: {a: }', ['line 2: models: stands here twice (also on line 1); write it once']],
    [
      'tiers: {}\nmodels:\n  a: {}\n  b: {}\n  a: {tire: x}',
      [
        'line 5: models.a: stands here twice (also on line 3); write it once',
        `line 5: models.a.tire: unknown key; did you mean tier? what can stand here: ${keys}`,
      ],
    ],
    ['models: *m', ['line 1: the alias *m stands for nothing; write &m before it']],
    ['? [models]\n: {}', ['line 1: a key that is no plain text; write a name']],
    ['models: a: {}', [expect.stringMatching(/^line 1: a second ": " in one line; /)]],
    ['models: {}\ntiers: "x', [expect.stringMatching(/^line 2: not YAML \(Missing closing "quote\); check /)]],
    ['- a\nb: 1', ['line 2: not YAML (Unexpected scalar at node end); check indentation, quotes and brackets']],
    ['models: !!set {a}', [expect.stringMatching(/^line 1: not YAML \(Unresolved tag: /)]],
    ['%YAML 3.0\n---\nmodels: {}', [expect.stringMatching(/^line 1: not YAML \(Unsupported YAML version /)]],
    ['%YAML 1.1\n---\nmodels: {a: {<<: {}}}', [expect.stringMatching(/^line 3: models\.a\.<<: unknown key/)]],
    ['['.repeat(20_000), ['line 1: nested too deeply; write maps of at most five levels']],
    [bomb(), ['its aliases (*name) multiply too often; write fewer']],
    ['models: {}\n#\uFFFD', ['not UTF-8; save it as UTF-8']],
  ])('of syntax: %.40j', (text, problems) => expect(problemsOf(text)).toEqual(problems))

  it('is a file of more than 1 MiB, in bytes', () => {
    const comment = (bytes: number) => `#${'é'.repeat((bytes - 2) / 2)}\n`
    expect(valueOf(comment(1024 * 1024)).models.size).toBe(0)
    expect(problemsOf(comment(1024 * 1024 + 2))).toEqual(['larger than 1 MiB; write a smaller file'])
  })

  it('is found in a large file without comparing every key with every other', () => {
    const many = Array.from({ length: 50_000 }, (_, index) => `  m${index}: {}\n`).join('')
    expect(problemsOf(`models:\n${many}  m7: {}\n`)).toEqual([
      'line 50002: models.m7: stands here twice (also on line 9); write it once',
    ])
  })

  it('is printed bounded, harmless and without what may be a secret', () => {
    const [long = ''] = problemsOf(`${'x'.repeat(1000)}: 1`)
    expect(long).toMatch(/^line 1: x{79}…: unknown key/)
    expect(problemsOf('models: {"a\\e[31m": {tier: "b\\nc"}}')).toEqual([
      'line 1: models.a\\u{1b}[31m.tier=b\\u{a}c: no such tier; define it under tiers',
    ])
    expect(problemsOf('tiers: {"fast\\e": }\nmodels: {"a\\e": {tier: fast}, "a\\e:latest": }')).toEqual([
      'line 2: models.a\\u{1b}.tier=fast: no such tier; did you mean fast\\u{1b}?',
      'line 2: models.a\\u{1b}:latest: the same model as a\\u{1b} (line 2); write it once',
    ])
    for (const text of [
      'tokens: {alice: hush}',
      'tokens: hush',
      'a: 1\n}\nhush',
      'models: {tokens: hush}',
      'models: {ci: hush}',
      'tiers: {t: hush}',
      'hush',
      'models: hush',
      'a: 1\n- b\n"hush": ["hush"',
    ]) {
      expect(problemsOf(text).join('\n')).not.toContain('hush')
    }
  })
})

describe('a config file that cannot be read', () => {
  it.each([
    ['ENOENT', 'no such file'],
    ['EACCES', 'permission denied'],
    ['EISDIR', 'it is a directory; Docker makes one in the place of a mounted file that is missing'],
    ['EIO', 'EIO'],
  ])('says why: %s', (code, why) => {
    const failing = (path: string) => {
      throw Object.assign(new Error(`cannot open '${path}'`), { code })
    }
    expect(readConfigFile('/f', failing)).toEqual({ problems: [`cannot be read (${why}); write the path of a file`] })
  })
})

/** Nine times nine, eight times over. */
function bomb(): string {
  const names = 'abcdefgh'.split('')
  const rows = names.map((name, index) => {
    const inner = index === 0 ? 'x' : `*${names[index - 1] ?? ''}`
    return `${name}: &${name} [${Array.from({ length: 9 }, () => inner).join(', ')}]`
  })
  return rows.join('\n')
}
