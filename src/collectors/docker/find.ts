import { fieldsOf, idOf, listOf, textOf, type Fields } from './fields.ts'

/** A line of the list of containers. */
export interface Listed {
  readonly id: string
  readonly name: string
  /** As it was asked for; only an id where its tag has moved on to another image. */
  readonly image: string
  readonly labels: Fields
}

/** Reads the list of containers; `undefined` where it is none. */
export function parseList(json: unknown): readonly Listed[] | undefined {
  if (!Array.isArray(json)) return undefined
  return listOf(json)
    .map(fieldsOf)
    .flatMap(({ Id, Names, Image, Labels }) => {
      const id = idOf(Id)
      const name = ownName(listOf(Names))
      return id === undefined || name === undefined
        ? []
        : [{ id, name, image: textOf(Image) ?? '', labels: fieldsOf(Labels) }]
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** A container has further names, `/other/alias`, where another is linked to it. */
function ownName(names: readonly unknown[]): string | undefined {
  const texts = names.flatMap((name) => textOf(name) ?? []).map((name) => name.replace(/^\//, ''))
  return texts.find((name) => name !== '' && !name.includes('/'))
}

/** How Ollama's containers are known, the surest sign first. */
const SIGNS: readonly ((container: Listed) => boolean)[] = [
  ({ labels }) => labels['ollascope.watch'] === 'true',
  ({ labels }) => labels['com.docker.compose.service'] === 'ollama' && labels['com.docker.compose.oneoff'] !== 'True', // no `run`
  ({ name }) => name === 'ollama',
  ({ image }) => repositoryOf(image).split('/').at(-1) === 'ollama',
]

/** The containers of these names; without names, those that bear the surest sign of Ollama that any of them bears. */
export function chooseContainers(listed: readonly Listed[], names: readonly string[]): readonly Listed[] {
  if (names.length > 0) return listed.filter(({ name }) => names.includes(name))
  return SIGNS.map((bears) => listed.filter(bears)).find((found) => found.length > 0) ?? []
}

/** `registry:5000/x/ollama:0.5@sha256:...` without its digest and its tag. */
function repositoryOf(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
}

/** Whether a list names an image by nothing but its id. */
export function isImageId(image: string): boolean {
  return /^(sha256:)?[0-9a-f]{12,64}$/.test(image)
}
