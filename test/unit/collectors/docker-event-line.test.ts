import { describe, expect, it } from 'vitest'
import { parseEventLine, sinceOf } from '../../../src/collectors/docker/event-line.ts'
import { readDockerCapture } from '../../helpers/docker-captures.ts'

const ID = 'a'.repeat(64)
const line = (fields: object) =>
  JSON.stringify({ Type: 'container', Action: 'oom', Actor: { ID }, time: 1795240096, ...fields })

const linesOf = (name: string) => readDockerCapture(name).trim().split('\n')

describe('parseEventLine', () => {
  it('reads a recording, with all digits of the times', () => {
    const events = linesOf('docker20-v1-events-child-oom.ndjson').map(parseEventLine)
    const id = '65c72a22611e9f7d06bf14b60d697fa4b3f36523d434ee8cbe8820578fbf8e80'
    expect(events).toEqual([
      undefined, // create
      { id, action: 'start', timeNano: '1795240094212465878' },
      { id, action: 'oom', timeNano: '1795240096404976895' },
      { id, action: 'oom', timeNano: '1795240099476226822' },
    ])
  })

  it('reads a recording of several containers', () => {
    const actions = linesOf('docker20-v1-events-oom-mixed.ndjson').map((text) => parseEventLine(text)?.action)
    expect(actions).toEqual(['start', 'oom', 'die', 'start', 'oom', 'die', 'start', 'start', 'oom', 'oom'])
  })

  it.each([
    ['died', 'die'],
    ['remove', 'destroy'],
  ])('reads %s of Podman', (Action, action) => expect(parseEventLine(line({ Action }))?.action).toBe(action))

  it('takes whole seconds where there are no others', () => {
    expect(parseEventLine(line({}))?.timeNano).toBe('1795240096000000000')
  })

  it.each([
    '',
    '{',
    'null',
    '7',
    '[]',
    '"x"',
    line({ Type: 'network' }),
    line({ Type: undefined }),
    line({ Action: 'exec_start: sh' }),
    line({ Action: 'constructor' }),
    line({ Actor: { ID: '../../x' } }),
    line({ Actor: null }),
    line({ time: undefined }),
    line({ time: 'x' }),
    line({ time: -1 }),
    line({ time: 0 }),
    line({ time: 1.5 }),
    line({ time: 1e30 }),
  ])('takes "%s" for none', (text) => expect(parseEventLine(text)).toBeUndefined())
})

describe('sinceOf', () => {
  it.each([
    ['1795240096404976895', '1795240096.404976895'],
    ['1795240096000000001', '1795240096.000000001'],
    ['7', '0.000000007'],
  ])('writes %s as seconds with a point', (nanos, since) => expect(sinceOf(nanos)).toBe(since))
})
