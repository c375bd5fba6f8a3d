import { launch, type Browser, type Page } from 'puppeteer-core'

/** A page in a browser, and what went wrong in it. */
export interface Watched {
  readonly page: Page
  /** What the console has as an error, exceptions, what the policy refused, and windows that asked something. */
  readonly wrong: readonly string[]
  /** What a person reads there; '' where it is not shown. */
  readonly text: (selector: string) => Promise<string>
  readonly count: (selector: string) => Promise<number>
}

/** `innerText` of what is not shown would be all of it. */
const shownText = "(element) => element?.checkVisibility() ? element.innerText : ''"

/** Debian's Chromium, which reaches nothing but this machine. */
export function startChromium(): Promise<Browser> {
  return launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  })
}

/** A tab with nothing in it yet. What others left in the browser, such as a password, is not there. */
export async function openTab(browser: Browser): Promise<Watched> {
  const context = await browser.createBrowserContext()
  const page = await context.newPage()
  const wrong: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error') wrong.push(message.text())
  })
  page.on('pageerror', (error) => wrong.push(String(error)))
  page.on('dialog', (dialog) => {
    wrong.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  const inPage = (selector: string, what: string) => page.evaluate(what.replace('$', JSON.stringify(selector)))
  return {
    page,
    wrong,
    text: async (selector) => String(await inPage(selector, `(${shownText})(document.querySelector($))`)),
    count: async (selector) => Number(await inPage(selector, 'document.querySelectorAll($).length')),
  }
}
