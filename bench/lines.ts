// What travels: NDJSON as Ollama sends it, one line a chunk, about 130 bytes. created_at carries the monotonic clock
// of the moment of sending (it is one clock for all processes of a machine), so that the load generator can say how
// long each chunk was on its way. Its seconds wrap at 60.

export function line(sentNs: bigint): string {
  const seconds = String((sentNs / 1_000_000_000n) % 60n).padStart(2, '0')
  const fraction = String(sentNs % 1_000_000_000n).padStart(9, '0')
  return `{"model":"llama3.2:1b","created_at":"2026-11-21T09:53:${seconds}.${fraction}Z","message":{"role":"assistant","content":" the"},"done":false}\n`
}

/** Where in a line the seconds stand. */
const STAMP_AT = line(0n).indexOf(':53:') + 4

/** The seconds of a line that is sent now, in place of those that stand there. */
export function stamp(bytes: Buffer, lineStart: number, sentNs: bigint): void {
  bytes.write(line(sentNs).slice(STAMP_AT, STAMP_AT + 12), lineStart + STAMP_AT, 'latin1')
}
/** The line that travels with the headers has no time in it. */
export function isStamped(buffer: Buffer, start: number): boolean {
  return buffer.toString('latin1', start + STAMP_AT, start + STAMP_AT + 12) !== '00.000000000'
}

const MINUTE_MS = 60_000

/** How long ago, in ms, the line that begins at `start` was sent. */
export function transitMs(buffer: Buffer, start: number, nowNs: bigint): number {
  const stamp = buffer.toString('latin1', start + STAMP_AT, start + STAMP_AT + 12)
  const sent = Number(stamp.slice(0, 2)) * 1000 + Number(stamp.slice(3)) / 1_000_000
  const now = Number(nowNs % 60_000_000_000n) / 1_000_000
  return (now - sent + MINUTE_MS) % MINUTE_MS
}

const FIGURES =
  '"done":true,"done_reason":"stop","total_duration":5043500667,"load_duration":102349312,"prompt_eval_count":26,' +
  '"prompt_eval_duration":325953000,"eval_count":290,"eval_duration":4709213000}'

export const BODY = JSON.stringify({
  model: 'llama3.2:1b',
  messages: [{ role: 'user', content: 'Why is the sky blue?' }],
})
export const LINE_BYTES = line(0n).length
export const LAST_LINE = `{"model":"llama3.2:1b","created_at":"2026-11-21T09:53:24.123456789Z","message":{"role":"assistant","content":""},${FIGURES}\n`
export const ANSWER = `{"model":"llama3.2:1b","created_at":"2026-11-21T09:53:24.123456789Z","message":{"role":"assistant","content":"Because of Rayleigh scattering."},${FIGURES}`

export function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}

/** What each kind of stream asks for. */
export function queries(count: number): Readonly<Record<string, string>> {
  return { burst: `?chunks=${count}`, flood: `?chunks=${count}&join=100`, paced: `?chunks=${count}&pace=10` }
}
