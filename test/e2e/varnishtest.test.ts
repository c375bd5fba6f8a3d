import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../helpers/needs.ts'
import { ended, NODE, ROOT, startProgram, startServe } from '../helpers/process.ts'
import { startRelay } from '../helpers/tools.ts'
import { parseRequests } from '../helpers/upstream.ts'
import { waitFor } from '../helpers/wait.ts'

/**
 * Scripts for varnishtest, the HTTP tester of the Varnish project. It plays the client and the upstream, and reads what
 * they get with parsers that are not ours. Comments in a script say which receipts it leaves, and whether it is known to
 * fail, and why.
 */
const FOLDER = join(ROOT, 'test/e2e/varnish')
/** A client for what varnishtest's cannot do. */
const HALF_CLOSE = fileURLToPath(new URL('./varnish/half-close.ts', import.meta.url))
const LIMIT_SECONDS = '25'
/** For those that are known to fail, which may mean that they wait in vain. */
const SHORT_SECONDS = '8'

interface Script {
  readonly path: string
  readonly title: string
  /** Status and outcome of each receipt, sorted. */
  readonly receipts: readonly string[]
  readonly fails: boolean
}

const scripts = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.vtc'))
  .map((name) => readScript(name))

test('the scripts are there', () => {
  expect(scripts.length).toBeGreaterThan(20)
})

describeWith(['varnishtest'], 'varnishtest sees that', () => {
  test.each(scripts.map((script) => [script.title, script] as const))('%s', async (_title, script) => {
    const folder = mkdtempSync(join(tmpdir(), 'ollascope-vtc-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const relay = await startRelay(folder)
    onTestFinished(relay.close)
    const served = await startServe(relay.port, { env: { OLLASCOPE_ALLOWED_HOSTS: '*' } })

    const macros = {
      upstream: folder,
      proxy: `127.0.0.1 ${served.proxyPort}`,
      half_close: `${NODE} ${HALF_CLOSE} ${served.proxyPort}`,
    }
    const defined = Object.entries(macros).flatMap(([name, value]) => ['-D', `${name}=${value}`])
    const { code, stdout } = await ended(
      startProgram('varnishtest', ['-t', script.fails ? SHORT_SECONDS : LIMIT_SECONDS, ...defined, script.path], {
        env: { TMPDIR: folder },
      }),
    )

    if (script.fails) {
      expect(code, `${script.path} passes now: take its "# fails" away`).not.toBe(0)
      return
    }
    expect(code, stdout).toBe(0)
    await waitFor('every exchange to end', async () => (await served.samples()).value('ollama_active_requests') === 0)
    const receipts = await served.receipts(script.receipts.length)
    expect(receipts.map(({ status, outcome }) => `${String(status)} ${String(outcome)}`).sort()).toEqual(
      script.receipts,
    )
    expect((await served.samples()).sum('ollama_requests_total')).toBe(script.receipts.length)
    // What the proxy refused was never a whole request for an upstream.
    expect(relay.sunk.flatMap((connection) => parseRequests(connection.received()))).toEqual([])
    expect(served.stderr()).toBe('')
  })
})

function readScript(name: string): Script {
  const path = join(FOLDER, name)
  const text = readFileSync(path, 'utf8')
  const says = /^varnishtest "(.*)"$/m.exec(text)?.[1] ?? ''
  const fails = /^# fails: /m.test(text)
  return { path, title: `${says} (${name}${fails ? ', known to fail' : ''})`, receipts: receiptsOf(text, name), fails }
}

/** Reads a line such as `# receipts: 2 x 200 success, 1 x 499 client_abort`. */
function receiptsOf(text: string, name: string): string[] {
  const line = /^# receipts: (.*)$/m.exec(text)?.[1] ?? ''
  return line
    .split(', ')
    .flatMap((part) => {
      const [, count = '0', receipt = ''] = /^(\d+) x (\d{3} \w+)$/.exec(part) ?? []
      if (count === '0') throw new Error(`${name}: no receipts are told by "${part}"`)
      return Array<string>(Number(count)).fill(receipt)
    })
    .sort()
}
