/** The full name of a model: `llama3` is `llama3:latest`. */
export function fullModelName(name: string): string {
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1)
  return colon === -1 ? `${name}:latest` : name
}
