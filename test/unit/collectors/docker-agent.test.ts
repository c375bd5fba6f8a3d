import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { GuardedAgent } from '../../../src/collectors/docker/agent.ts'

it('is a word where docker-modem writes out its options, not all connections with all that hangs on them', () => {
  expect(inspect({ agent: new GuardedAgent() }, { showHidden: true, depth: null })).toBe('{ agent: GuardedAgent }')
})
