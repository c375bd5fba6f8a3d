import { expect } from 'vitest'

// As vitest's own, without their type `any`.
export const holding = (text: string): unknown => expect.stringContaining(text)
export const matching = (text: string | RegExp): unknown => expect.stringMatching(text)
export const anyString = (): unknown => expect.any(String)
export const anyNumber = (): unknown => expect.any(Number)
