import { emptyNotes, type Extractor } from '../../../src/ollama/extractor.ts'
import { createFacts, type ResponseFacts } from '../../../src/ollama/facts.ts'
import { JsonScanner } from '../../../src/ollama/json-scanner.ts'

/** The facts after these records, all of them whole. */
export function extract(extractor: Extractor, records: readonly object[], streamed = true): ResponseFacts {
  const facts = createFacts()
  for (const record of records) {
    const notes = emptyNotes()
    const scanner = new JsonScanner(extractor.paths, (path, value) => extractor.value(notes, path, value))
    scanner.push(Buffer.from(JSON.stringify(record)))
    extractor.commit(notes, facts, streamed)
  }
  return facts
}
