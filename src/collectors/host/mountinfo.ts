export interface Mount {
  /** The part of its file system that is mounted. */
  readonly root: string
  readonly mountpoint: string
  readonly fstype: string
  readonly device: string
  readonly superOptions: readonly string[]
}

/** The lines of /proc/<pid>/mountinfo, in the order in which they were mounted. */
export function parseMountinfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ')
    const separator = fields.indexOf('-', 6) // optional fields come before it, as many as there are
    const [root, mountpoint] = fields.slice(3, 5).map(unescape)
    const [fstype, device, superOptions] = separator < 0 ? [] : fields.slice(separator + 1).map(unescape)
    if (root === undefined || mountpoint === undefined || fstype === undefined || device === undefined) return []
    return [{ root, mountpoint, fstype, device, superOptions: superOptions?.split(',') ?? [] }]
  })
}

/** Where a path lies; of two at the same place the later one covers the earlier. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let found: Mount | undefined
  for (const mount of mounts) {
    const folder = mount.mountpoint === '/' ? '/' : `${mount.mountpoint}/`
    if (!`${path}/`.startsWith(folder)) continue
    if (mount.mountpoint.length >= (found?.mountpoint.length ?? 0)) found = mount
  }
  return found
}

/** Blank, tab, line feed and backslash are written as `\040` and so on. */
function unescape(field: string): string {
  return field.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
}
