import { describe, expect, it } from 'vitest'
import { chooseContainers, isImageId, parseList, type Listed } from '../../../src/collectors/docker/find.ts'

const id = (digit: string) => digit.repeat(64)

function container(name: string, image = 'x', labels = {}): Listed {
  return { id: id('a'), name, image, labels }
}

const chosen = (listed: readonly Listed[], names: readonly string[] = []) =>
  chooseContainers(listed, names).map(({ name }) => name)

const labelled = container('labelled', 'x', { 'ollascope.watch': 'true' })
const composed = container('composed', 'x', { 'com.docker.compose.service': 'ollama' })
const named = container('ollama')
const imaged = container('imaged', 'ollama/ollama:0.5')

describe('chooseContainers', () => {
  it('takes the surest sign that any container bears', () => {
    expect(chosen([imaged, named, composed, labelled])).toEqual(['labelled'])
    expect(chosen([imaged, named, composed])).toEqual(['composed'])
    expect(chosen([imaged, named])).toEqual(['ollama'])
    expect(chosen([imaged])).toEqual(['imaged'])
    expect(chosen([container('other')])).toEqual([])
  })

  it('takes all that bear it', () => {
    expect(chosen([imaged, container('other'), container('b', 'ollama')])).toEqual(['imaged', 'b'])
  })

  it('takes the names that are asked for and nothing else', () => {
    expect(chosen([labelled, named, imaged], ['imaged', 'gone'])).toEqual(['imaged'])
    expect(chosen([labelled], ['label'])).toEqual([])
  })

  it('leaves out a label that says no, and what "compose run" starts', () => {
    const run = { 'com.docker.compose.service': 'ollama', 'com.docker.compose.oneoff': 'True' }
    expect(chosen([container('a', 'x', { 'ollascope.watch': 'false' }), container('b', 'x', run)])).toEqual([])
    expect(chosen([container('c', 'x', { ...run, 'com.docker.compose.oneoff': 'False' })])).toEqual(['c'])
  })

  it.each([
    'ollama',
    'ollama:latest',
    'ollama/ollama',
    'ollama/ollama:0.5',
    'registry:5000/x/ollama',
    'registry:5000/x/ollama:rocm',
    `registry/x/ollama@sha256:${id('b')}`,
    `registry/x/ollama:0.5@sha256:${id('b')}`,
  ])('knows the image %s', (image) => expect(chosen([container('a', image)])).toEqual(['a']))

  it.each(['', 'ollama/webui', 'x:ollama', 'my-ollama:1', 'ollama:5000/x', `sha256:${id('b')}`, 'ollascope/ollascope'])(
    'does not take the image "%s"',
    (image) => expect(chosen([container('a', image)])).toEqual([]),
  )
})

describe('isImageId', () => {
  it.each([id('b'), `sha256:${id('b')}`, '0123456789ab'])('knows %s', (image) => expect(isImageId(image)).toBe(true))
  it.each(['', 'ollama', 'deadbeef', `x@sha256:${id('b')}`])('does not take "%s"', (image) =>
    expect(isImageId(image)).toBe(false),
  )
})

describe('parseList', () => {
  it('reads names, images and labels, in the order of the names', () => {
    const list = [
      { Id: id('b'), Names: ['/b'], Image: 'y', Labels: { x: '1' } },
      { Id: id('a'), Names: ['/b/alias', '/a'], Image: 'x', Labels: null },
    ]
    expect(parseList(list)).toEqual([
      { id: id('a'), name: 'a', image: 'x', labels: {} },
      { id: id('b'), name: 'b', image: 'y', labels: { x: '1' } },
    ])
  })

  it('leaves out what has no id or no name', () => {
    const Id = id('a')
    const broken = [null, 7, 'x', [], {}, { Id }, { Id, Names: [] }, { Id, Names: [7] }, { Id, Names: 'a' }]
    const ids = ['../../x', id('A'), 'abc', 7].map((one) => ({ Id: one, Names: ['/a'] }))
    expect(parseList([...broken, ...ids])).toEqual([])
  })

  it.each([null, {}, 'x', 7, undefined, Buffer.from('x')])('takes %s for no list', (json) =>
    expect(parseList(json)).toBeUndefined(),
  )
})
