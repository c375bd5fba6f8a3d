/** A whole number as the kernel writes it; `undefined` for all else. */
export function parseCount(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,20}$/.test(text.trim()) ? Number(text) : undefined
}

/** Lines of a name, blanks or a colon, and a whole number (memory.stat, vmstat, meminfo); what follows is left out. */
export function parseKeyed(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>()
  for (const [, name, digits] of text.matchAll(/^([^\s:]+):?[ \t]+(\d{1,20})(?=\s|$)/gm)) {
    if (name !== undefined) values.set(name, Number(digits))
  }
  return values
}
