const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
}

/** Why something documented is refused. `alias` comes after "this version of Ollascope", with its own space. */
export function notYet(alias = ''): string {
  const remedy = 'remove it (it would otherwise be silently without effect)'
  return `not supported yet by this version of Ollascope${alias}; ${remedy}`
}

/** Why a file was not read. The error's message is left out: it may quote what was given. */
export function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  return `cannot be read (${FILE_ERRORS[code] ?? code}); write the path of a file`
}
