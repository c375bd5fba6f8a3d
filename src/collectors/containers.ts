/** A container that is watched. */
export interface Container {
  /** 64 hexadecimal digits; another text that is its own where no daemon named it. */
  readonly id: string
  readonly name: string
  /** '' where no daemon told it. */
  readonly image: string
  /** Process 1 of the container, as the host numbers it; `undefined` while it does not run. */
  readonly pid: number | undefined
  /** Milliseconds since 1970; another one after a restart. */
  readonly startedAt: number
}
