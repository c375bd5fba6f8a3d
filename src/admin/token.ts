import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request, RequestHandler } from 'express'

/** What a browser sends, which cannot add a bearer token by itself: refused, taken as well, or also asked for. */
export type Password = 'refused' | 'taken' | 'asked'

/** Lets in who brings the token: as a bearer, or as the password of any user. */
export function requireToken(token: string, password: Password): RequestHandler {
  const expected = digest(token)
  const challenge = password === 'asked' ? 'Basic realm="ollascope", charset="UTF-8"' : 'Bearer realm="ollascope"'
  const how =
    password === 'asked'
      ? 'any user name, and OLLASCOPE_ADMIN_TOKEN as the password'
      : 'Authorization: Bearer <OLLASCOPE_ADMIN_TOKEN>'
  return (req, res, next) => {
    const given = bearerOf(req) ?? (password === 'refused' ? undefined : passwordOf(req))
    // Digests have one length, so that the comparison takes the same time for any token.
    if (given !== undefined && timingSafeEqual(digest(given), expected)) {
      next()
      return
    }
    res.set('WWW-Authenticate', challenge)
    res.status(401).json({ error: `ollascope: this needs the admin token: ${how}` })
  }
}

function bearerOf(req: Request): string | undefined {
  return /^Bearer +(.+)$/i.exec(req.get('authorization') ?? '')?.[1]
}

/** All behind the first colon: a user's name has none. */
function passwordOf(req: Request): string | undefined {
  const [, encoded] = /^Basic +([\w+/]+=*)$/i.exec(req.get('authorization') ?? '') ?? []
  return encoded && /^[^:]*:([^]+)$/.exec(Buffer.from(encoded, 'base64').toString())?.[1]
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
