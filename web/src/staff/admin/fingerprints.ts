/** A fingerprint as people compare it: groups of four, and where two of them part. */

import { fingerprintOf } from '../../terminal/keys'

export function groupsOf(keyId: string): readonly string[] {
  return fingerprintOf(keyId).split(/\s+/)
}

/** What was read out from the terminal's screen, as a key's number; spaces and case do not matter. */
export function typedKey(text: string): string {
  return text.replace(/[\s:-]/g, '').toLowerCase()
}

/** For each group of what the register holds, whether what was read out says the same so far. */
export function compared(keyId: string, typed: string): readonly ('same' | 'differs' | 'open')[] {
  const key = typedKey(typed)
  return groupsOf(keyId).map((group, at) => {
    const said = key.slice(at * group.length, (at + 1) * group.length)
    if (said.length < group.length) return group.toLowerCase().startsWith(said) ? 'open' : 'differs'
    return said === group.toLowerCase() ? 'same' : 'differs'
  })
}
