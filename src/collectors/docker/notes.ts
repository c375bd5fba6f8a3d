/** Says what a person should know: about each topic once, and again when it has become something else. */
export function createNotes(
  onNote: (message: string, topic: string) => void,
): (topic: string, message: string | undefined) => void {
  const said = new Map<string, string>()
  return (topic, message) => {
    if (message === undefined) said.delete(topic)
    else if (said.get(topic) !== message) {
      said.set(topic, message)
      onNote(message, topic)
    }
  }
}
