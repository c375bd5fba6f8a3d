const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  // Compose files that mount a secret, started without it.
  EISDIR: 'it is a directory; Docker makes one in the place of a mounted file that is missing',
}

/** Why a file was not read. The error's message is left out: it may quote what was given. */
export function unreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  return `cannot be read (${FILE_ERRORS[code] ?? code}); write the path of a file`
}
