import type { Address } from '../../config/parsers.ts'
import { formatAddress } from '../../listen.ts'
import { reachable } from '../../reachable.ts'
import { ask, NoReply } from '../ask.ts'
import { fail, ok, type Check } from '../check.ts'
import type { Context } from '../context.ts'
import { findListener } from '../listeners.ts'

/** Its own ports are free, or its own already. */
export const ports: Check = {
  id: 'ports',
  title: 'Ports',
  async run(context) {
    const { config, proxyUrl, adminUrl } = context
    const wanted = [
      { name: 'OLLASCOPE_LISTEN', address: config.listen, url: `${proxyUrl}/api/version`, mark: 'x-request-id' },
      // Its answers all say this, also to whom they refuse something.
      {
        name: 'OLLASCOPE_ADMIN_LISTEN',
        address: config.adminListen,
        url: `${adminUrl}/healthz`,
        mark: 'x-content-type-options',
      },
    ].filter(({ address }) => address.port !== 0)
    const states = await Promise.all(
      wanted.map(async ({ name, address, url, mark }) => ({
        name,
        address,
        state: await look(context, address, url, mark),
      })),
    )
    const detail = states.map(({ address, state }) => `${formatAddress(address)} ${state.text}`).join(', ')
    const [foreign] = states.filter(({ state }) => state.isForeign)
    if (foreign === undefined) return ok(detail)
    return fail(detail, `ss -ltnp "sport = :${foreign.address.port}"; stop it, or set ${foreign.name} to another port`)
  },
}

interface State {
  readonly text: string
  readonly isForeign: boolean
}

async function look(
  { config, deadline, status }: Context,
  address: Address,
  url: string,
  mark: string,
): Promise<State> {
  const holder = await findListener(config.collect.procRoot, address.port)
  const by = holder === undefined || holder === '' ? '' : ` by ${holder}`
  try {
    const reply = await ask(url, { signal: deadline() })
    return reply.header(mark) === undefined
      ? { text: `is held by another${by}`, isForeign: true }
      : { text: `is Ollascope's${by}`, isForeign: false }
  } catch (error) {
    if (error instanceof NoReply && error.reason === 'refused') {
      // Somebody may listen on another address of that port, which a wildcard would collide with.
      const isElsewhere = holder !== undefined && reachable(address).host !== address.host
      return isElsewhere ? { text: `is held${by}`, isForeign: true } : { text: 'is free', isForeign: false }
    }
    // A proxy answers when Ollama does.
    const isOurs = await status().then(
      ({ role }) => role !== 'collector',
      () => false,
    )
    return isOurs
      ? { text: `is held${by}, and does not answer in time`, isForeign: false }
      : { text: `is held${by}, by what does not answer`, isForeign: true }
  }
}
