// Reads one HTTP response after the other from a socket, counting the bytes of the body and keeping none.

type State = 'head' | 'length' | 'size' | 'data' | 'crlf' | 'trailer' | 'done'

export class ResponseReader {
  status = 0
  bodyBytes = 0
  private state: State = 'head'
  private text = ''
  private left = 0

  reset(): void {
    this.status = 0
    this.bodyBytes = 0
    this.state = 'head'
    this.text = ''
  }

  /** True where the response is complete; what follows it in the same read would be an error and is not looked at. */
  feed(data: Buffer): boolean {
    let at = 0
    while (at < data.length && this.state !== 'done') at = this.step(data, at)
    return this.state === 'done'
  }

  private step(data: Buffer, at: number): number {
    switch (this.state) {
      case 'head':
        return this.head(data, at)
      case 'length':
      case 'data': {
        const taken = Math.min(this.left, data.length - at)
        this.left -= taken
        this.bodyBytes += taken
        if (this.left === 0) this.to(this.state === 'data' ? 'crlf' : 'done', 2)
        return at + taken
      }
      case 'crlf':
        this.left--
        if (this.left === 0) this.to('size', 0)
        return at + 1
      case 'size':
        return this.line(data, at, (text) => {
          const size = Number.parseInt(text, 16)
          if (Number.isNaN(size)) throw new Error(`bad chunk size ${JSON.stringify(text)}`)
          this.to(size === 0 ? 'trailer' : 'data', size)
        })
      case 'trailer':
        return this.line(data, at, (text) => {
          if (text === '') this.to('done', 0)
        })
      case 'done':
        return at
    }
  }

  private to(state: State, left: number): void {
    this.state = state
    this.left = left
    this.text = ''
  }

  private line(data: Buffer, at: number, take: (text: string) => void): number {
    const end = data.indexOf(10, at)
    if (end === -1) {
      this.text += data.toString('latin1', at)
      return data.length
    }
    const text = this.text + data.toString('latin1', at, end)
    this.text = ''
    take(text.endsWith('\r') ? text.slice(0, -1) : text)
    return end + 1
  }

  private head(data: Buffer, at: number): number {
    const before = this.text.length
    this.text += data.toString('latin1', at)
    const end = this.text.indexOf('\r\n\r\n')
    if (end === -1) return data.length
    const head = this.text.slice(0, end)
    this.status = Number(head.slice(9, 12))
    const length = /^content-length: *(\d+)/im.exec(head)?.[1]
    if (/^transfer-encoding: *chunked/im.test(head)) this.to('size', 0)
    else this.to(length === undefined || length === '0' ? 'done' : 'length', Number(length ?? 0))
    return at + end + 4 - before
  }
}
