import { isObject, parseObject, type JsonObject } from './json.ts'

/** What a request asks for, as far as it decides which recording fits. */
export interface Asked {
  readonly method: string
  /** The path without origin and query. */
  readonly path: string
  /** The route: the path with its variable part replaced. */
  readonly operation: string
  /** Whether the route takes a JSON body. */
  readonly takesJson: boolean
  /** Whether the route works only with a model that is installed. */
  readonly needsModel: boolean
  /** Undefined where the body is no JSON object. */
  readonly json: JsonObject | undefined
  /** As the body, or the path of /v1/models/:model, names it; empty where nothing does. */
  readonly model: string
  readonly stream: boolean
  readonly traits: ReadonlySet<Trait>
  /** The limit of generated tokens. */
  readonly tokens: number | undefined
  /** `options.num_ctx` */
  readonly context: number | undefined
}

type Trait =
  | 'bad-format'
  | 'bad-option'
  | 'batch'
  | 'format'
  | 'logprobs'
  | 'no-prompt'
  | 'no-truncate'
  | 'raw'
  | 'stop'
  | 'think'
  | 'tools'
  | 'unload'
  | 'usage'

const generating = ['/api/generate', '/api/chat']
const compatible = ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages', '/v1/embeddings']
const needingModel = [...generating, '/api/embed', '/api/embeddings', '/api/show', '/api/delete', ...compatible]
const takingJson = [...needingModel, '/api/copy', '/api/pull', '/api/push', '/api/create']
const streamingByDefault = [...generating, '/api/pull', '/api/push', '/api/create']
const variable = ['/api/blobs/', '/api/user/keys/', '/v1/models/']

/** The path of a request target: the origin of an absolute form and the query fall away. */
function pathOf(target: string): string {
  const withoutOrigin = target.replace(/^https?:\/\/[^/?]*/i, '')
  return withoutOrigin.replace(/\?.*$/s, '') || '/'
}

/** The route of a path: `/v1/models/chat:270m` is `/v1/models/*`. */
function operationOf(path: string): string {
  const prefix = variable.find((candidate) => path.startsWith(candidate) && path.length > candidate.length)
  return prefix === undefined ? path : `${prefix}*`
}

/** Reads a body that was too long to keep, or is broken: the keys that decide most stand near its front. */
function scan(text: string): JsonObject {
  const model = /"model"\s*:\s*"([^"\\]*)"/.exec(text)?.[1]
  const stream = /"stream"\s*:\s*(true|false)/.exec(text)?.[1]
  return { ...(model !== undefined && { model }), ...(stream !== undefined && { stream: stream === 'true' }) }
}

function lacksPrompt(operation: string, json: JsonObject): boolean {
  if (operation === '/api/generate') return json.prompt === undefined || json.prompt === ''
  if (operation === '/api/chat') return !Array.isArray(json.messages) || json.messages.length === 0
  return false
}

function asksToThink(json: JsonObject): boolean {
  const effort = json.reasoning_effort ?? (isObject(json.reasoning) ? json.reasoning.effort : undefined)
  const thinking = isObject(json.thinking) && json.thinking.type === 'enabled'
  return Boolean(json.think) || thinking || (typeof effort === 'string' && effort !== 'none')
}

function traitsOf(operation: string, json: JsonObject, options: JsonObject): Set<Trait> {
  const format = json.format ?? json.response_format
  const given = format !== undefined && format !== null && format !== ''
  const usage = isObject(json.stream_options) && json.stream_options.include_usage === true
  const noPrompt = lacksPrompt(operation, json)
  const found: Partial<Record<Trait, boolean>> = {
    'bad-format': given && !isObject(format) && format !== 'json',
    'bad-option': Object.entries(options).some(([key, value]) => typeof value === 'string' && key !== 'stop'),
    batch: Array.isArray(json.input) && json.input.length > 1,
    format: given,
    logprobs: json.logprobs === true,
    'no-prompt': noPrompt,
    'no-truncate': json.truncate === false,
    raw: json.raw === true,
    stop: (options.stop ?? json.stop) !== undefined,
    think: asksToThink(json),
    tools: Array.isArray(json.tools) && json.tools.length > 0,
    unload: noPrompt && /^-?0+[a-z]*$/.test(String(json.keep_alive)),
    usage,
  }
  return new Set((Object.keys(found) as Trait[]).filter((trait) => found[trait] === true))
}

function numberOf(...values: unknown[]): number | undefined {
  return values.find((value) => typeof value === 'number')
}

/** Reads a request. A body that was not kept whole (`truncated`) is scanned for its model and its `stream`. */
export function readAsked(method: string, target: string, body: string, truncated = false): Asked {
  const path = pathOf(target)
  const operation = operationOf(path)
  const json = truncated ? scan(body) : parseObject(body)
  const fields = json ?? {}
  const options = isObject(fields.options) ? fields.options : {}
  const byPath = operation === '/v1/models/*' ? path.slice('/v1/models/'.length) : undefined
  const model = byPath ?? fields.model ?? fields.name
  return {
    method,
    path,
    operation,
    takesJson: takingJson.includes(operation),
    needsModel: needingModel.includes(operation) || byPath !== undefined,
    json,
    model: typeof model === 'string' ? model : '',
    stream: streamingByDefault.includes(operation) ? fields.stream !== false : fields.stream === true,
    traits: traitsOf(operation, fields, options),
    tokens: numberOf(options.num_predict, fields.max_tokens, fields.max_completion_tokens, fields.max_output_tokens),
    context: numberOf(options.num_ctx),
  }
}

/** The name with its tag: Ollama takes `latest` where none is given. */
export function taggedModel(model: string): string {
  return /:[^/]*$/.test(model) ? model : `${model}:latest`
}
