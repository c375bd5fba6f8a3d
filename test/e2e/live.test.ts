import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Role } from '../../src/app.ts'
import { startApp } from '../helpers/app.ts'
import { listenTo } from '../helpers/events.ts'
import { describeWith } from '../helpers/needs.ts'
import { createNvidiaSmi } from '../helpers/nvidia-smi.ts'
import { freePort } from '../helpers/ports.ts'
import { ended, startServe, type Served } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import { openTab, startChromium, type Watched } from './live/browser.ts'
import { startOllama, type FakeOllama } from './live/ollama.ts'

const GIB = 2 ** 30
const HOSTILE = '<img src=x onerror=alert(1)>'
const ON_GPU = { name: 'gemma3:270m', size: 0.5 * GIB, size_vram: 0.5 * GIB, context_length: 4096 }
const SHARED = { name: 'llama3.1:70b', size: 40 * GIB, size_vram: 20.8 * GIB, context_length: 8192 }
const ON_CPU = { name: `${HOSTILE}:latest`, size: 2 * GIB, size_vram: 0, context_length: 2048 }
const TOKEN = 'a-token:of-the-operators'
const FAST = { OLLASCOPE_COLLECT_INTERVAL: '1s' }

describeWith(['chromium'], 'the live page', () => {
  let browser: Browser
  let ollama: FakeOllama
  beforeAll(async () => {
    browser = await startChromium()
    ollama = await startOllama()
  })
  afterAll(async () => {
    await browser.close()
    await ollama.close()
  })
  beforeEach(() => ollama.load([ON_GPU]))

  async function open(adminUrl: string): Promise<Watched> {
    const tab = await openTab(browser)
    await tab.page.goto(adminUrl)
    await waitFor('the page to be live', async () => (await tab.text('#link')) === 'live')
    return tab
  }

  const generate = ({ proxyUrl }: Served, model: string) =>
    fetch(`${proxyUrl}/api/generate`, { method: 'POST', body: JSON.stringify({ model, prompt: 'x' }) })

  test('shows what is loaded, a request while it runs, and what became of it', async () => {
    ollama.load([ON_GPU, SHARED])
    const served = await startServe(ollama.port, { env: FAST })
    const { text, count, wrong, page } = await open(served.adminUrl)
    await waitFor('both models', async () => (await text('#models caption')).endsWith('2'))

    expect(await text('#state')).toBe('Ready')
    expect(await page.title()).toBe('Ready · Ollascope')
    expect(await text('#facts')).toMatch(/role\s+serve\s+up\s.*s\s+Ollama\s+0\.33\.1 at http:\/\/127\.0\.0\.1:\d+/s)
    expect(await text('#models tbody tr:nth-child(1)')).toMatch(/^gemma3:270m\s+100% GPU\s+512 MiB\s+512 MiB\s+4096$/)
    expect(await text('#models tbody tr:nth-child(2)')).toMatch(/^llama3\.1:70b\s+48%\/52% CPU\/GPU\s+20\.8 GiB/)
    expect(await text('#summary')).toBe('Nothing in flight; no request ended yet')

    const answer = await generate(served, 'gemma3:270m')
    const running = await waitFor('the request', async () => /gemma3.*/s.exec(await text('#in-flight tbody'))?.[0])
    expect(running).toMatch(/^gemma3:270m\s+decoding\s+[\d.]+ m?s\s+\/api\/generate/)
    expect(await text('#summary')).toMatch(/^1 in flight, the oldest for \d+ m?s; no request ended yet$/)
    ollama.release()
    await answer.text()

    const row = await waitFor('its receipt', async () => /\d+:.*/s.exec(await text('#ended tbody tr'))?.[0])
    expect(row).toMatch(/^\d\d:\d\d:\d\d\s+gemma3:270m\s+\/api\/generate\s+stop\s.*m?s\s.*m?s\s+23\.0\s+100% GPU/s)
    await waitFor('it to be over', async () => (await text('#in-flight caption')).endsWith('none'))
    expect(await count('#in-flight tbody tr')).toBe(0)
    await fetch(`${served.proxyUrl}/api/show`, { method: 'POST', body: '{"model":"no-such"}' })
    await waitFor('the newest on top', async () => (await text('#ended tbody tr')).includes('/api/show'))
    expect(await text('#ended tbody tr')).toMatch(/caller error\s+model not found, 404/)
    expect(await text('#ended tbody tr:nth-child(2)')).toBe(row)
    expect(await text('#summary')).toBe('Nothing in flight; none of the last 2 failed')
    const broken = await generate(served, 'gemma3:270m')
    ollama.cut()
    await expect(broken.text()).rejects.toThrow()
    await waitFor('the failed one', async () => (await text('#ended tbody tr .bad')) === 'truncated')
    await waitFor('a count', async () => (await text('#summary')) === 'Nothing in flight; 1 of the last 3 failed')
    expect(wrong).toEqual([])
  })

  test('says that a model fell back to the CPU, and takes its name for nothing but a name', async () => {
    ollama.load([ON_CPU])
    const served = await startServe(ollama.port, { env: { ...FAST, OLLASCOPE_GPU_EXPECTED: 'true' } })
    const { page, text, count, wrong } = await open(served.adminUrl)
    await waitFor('the fallback', async () => (await text('#state')) === 'Degraded')

    expect(await text('#reasons')).toBe(`${ON_CPU.name} runs on the CPU, and a GPU is expected (configured)`)
    expect(await text('#models tbody')).toMatch(/100% CPU\s+fallback\s+0\s+2\.0 GiB\s+2048$/)
    const answer = await generate(served, HOSTILE)
    await waitFor('it to run', async () => (await text('#in-flight tbody')).startsWith(HOSTILE))
    ollama.release()
    await answer.text()
    await waitFor('its receipt', async () => (await text('#ended tbody')).includes(HOSTILE))
    expect(await text('#models tbody')).toContain(HOSTILE)
    expect(await count('img')).toBe(0)
    expect(wrong).toEqual([])

    // The browser holds the page to that, whatever its script would do.
    const markup = page.evaluate("document.querySelector('#state').innerHTML = '<b>x</b>'")
    await expect(markup).rejects.toThrow(/TrustedHTML/)
    expect(await page.evaluate(`fetch('http://127.0.0.2:1').catch(String)`)).toContain('Failed to fetch')
    expect(wrong.join('\n')).toMatch(/connect-src 'self'/)
  })

  test('says that it lost the connection and how old its numbers are, and comes back by itself', async () => {
    const ports = { OLLASCOPE_ADMIN_LISTEN: `127.0.0.1:${await freePort()}` }
    const first = await startServe(ollama.port, { env: { ...FAST, ...ports } })
    const { text, count, wrong } = await open(first.adminUrl)
    await waitFor('a model', async () => (await text('#models tbody')).includes('gemma3:270m'))
    await (await fetch(`${first.proxyUrl}/api/tags`)).text()
    await waitFor('a receipt', async () => (await count('#ended tbody tr')) === 1)

    // A server that hangs keeps its connections.
    first.child.kill('SIGSTOP')
    await waitFor('the silence', async () => (await text('#link')) === 'connection lost, trying again')
    first.child.kill('SIGCONT')
    await waitFor('its end', async () => (await text('#link')) === 'live')

    first.child.kill('SIGTERM')
    expect((await ended(first)).code).toBe(0)
    await waitFor('the loss', async () => (await text('#link')) === 'connection lost, trying again')
    await waitFor('its age', async () => /^– this is [\d.]+ m?s old$/.test(await text('#age')))
    expect(await count('body.stale')).toBe(1)
    expect(await text('#models tbody')).toContain('gemma3:270m')

    ollama.load([SHARED])
    await startServe(ollama.port, { env: { ...FAST, ...ports } })
    await waitFor('another model', async () => (await text('#models tbody')).includes('llama3.1:70b'))
    expect(await text('#link')).toBe('live')
    expect(await text('#age')).toBe('')
    expect(await count('body.stale')).toBe(0)
    expect(await count('#ended tbody tr')).toBe(0)
    expect(wrong.filter((one) => !/net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING)/.test(one))).toEqual([])
  })

  test('asks for the token, and is live with it', async () => {
    const served = await startServe(ollama.port, { env: { ...FAST, OLLASCOPE_ADMIN_TOKEN: TOKEN } })
    const stranger = await openTab(browser)
    await stranger.page.authenticate({ username: 'me', password: `${TOKEN}x` })
    expect((await stranger.page.goto(served.adminUrl))?.status()).toBe(401)
    const { page, text, wrong } = await openTab(browser)
    await page.authenticate({ username: 'me', password: TOKEN })
    expect((await page.goto(served.adminUrl))?.status()).toBe(200)
    await waitFor('events', async () => (await text('#models tbody')).includes('gemma3:270m'))
    expect(await text('#link')).toBe('live')
    expect(wrong.filter((one) => !one.includes('401'))).toEqual([])
  })

  test('says that it is one too many, and is live when there is a place', async () => {
    const app = await startApp(ollama.port, FAST)
    onTestFinished(app.close)
    const others = []
    for (let count = 0; count < 16; count++) others.push(await listenTo(`${app.adminUrl}/events`))
    const { page, text } = await openTab(browser)
    await page.goto(app.adminUrl)
    await waitFor('the refusal', async () => (await text('#link')).startsWith('too many others watch'))
    others[0]?.leave()
    await waitFor('a place', async () => (await text('#link')) === 'live')
  })

  test('shows GPUs, and a collector that fails with what to do', async () => {
    const { program } = createNvidiaSmi()
    const collectors = { OLLASCOPE_COLLECTORS: 'ollama,nvidia,docker', OLLASCOPE_NVIDIA_SMI: program }
    const docker = { OLLASCOPE_DOCKER_HOST: `tcp://127.0.0.1:${await freePort()}` }
    const app = await startApp(ollama.port, { ...FAST, ...collectors, ...docker })
    onTestFinished(app.close)
    const { text, wrong } = await open(app.adminUrl)
    await waitFor('a GPU', async () => (await text('#gpus caption')).endsWith('1'))
    expect(await text('#gpus tbody')).toMatch(/^.*RTX.* 0\s+97%\s+8\.8 GiB of 24\.0 GiB\s+71 °C\s+312 W$/s)
    await waitFor('the failure', async () => (await text('#collectors .bad')) === 'failing')
    expect(await text('#collectors tbody')).toMatch(/docker\s+failing\s+Nobody listens at .*: start Docker/)
    expect(await text('#collectors caption')).toMatch(/off: amd, cgroup, host$/)
    expect(await text('#summary')).toMatch(/; collectors that fail: docker$/)
    expect(wrong).toEqual([])
  })

  const SECTIONS = ['#in-flight', '#models', '#gpus', '#collectors', '#receipts']
  test.each<[Role, string[]]>([
    ['proxy', ['#in-flight', '#models', '#receipts']],
    ['collector', ['#models', '#gpus', '#collectors']],
  ])('of a %s shows what that has', async (role, shown) => {
    const app = await startApp(ollama.port, { ...FAST, OLLASCOPE_GPU_EXPECTED: 'true' }, undefined, role)
    onTestFinished(app.close)
    const { text, wrong } = await open(app.adminUrl)
    const texts = await Promise.all(SECTIONS.map(text))
    expect(SECTIONS.filter((_selector, index) => texts[index] !== '')).toEqual(shown)
    expect(await text('#facts')).toContain(role)
    expect(wrong).toEqual([])
  })
})
