/** Bytes and their texts; no dependency, because a page is small and a terminal is slow. */

export type Bytes = Uint8Array<ArrayBuffer>

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text)
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
}

export function base64url(bytes: Uint8Array): string {
  return base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

export function joined(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

/** An unguessable name of 128 bits, as nonces of signed requests are. */
export function newNonce(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(16)))
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** A new identifier in the form of the server's own: 26 letters, ordered by time (ULID). */
export function newIdentifier(now: number = Date.now()): string {
  let time = ''
  for (let left = now, place = 0; place < 10; place += 1) {
    time = CROCKFORD.charAt(left % 32) + time
    left = Math.floor(left / 32)
  }
  const random = crypto.getRandomValues(new Uint8Array(16))
  return time + Array.from(random, (byte) => CROCKFORD.charAt(byte % 32)).join('')
}
