/** Numbers of commands (ULID): made here once, so that a repeat is answered and not done twice. */

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

export function newCommand(now: number = Date.now()): string {
  const random = crypto.getRandomValues(new Uint8Array(16))
  let time = ''
  for (let rest = now, at = 0; at < 10; at += 1, rest = Math.floor(rest / 32)) {
    time = DIGITS.charAt(rest % 32) + time
  }
  return time + Array.from(random, (byte) => DIGITS.charAt(byte % 32)).join('')
}
