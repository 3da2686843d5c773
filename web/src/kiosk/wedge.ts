/** A reader that types like a keyboard: many keys at once, then Enter; people are slower. */

const BETWEEN_KEYS_MS_MAX = 80
const LENGTH_MIN = 6

export class Wedge {
  private read = ''
  private lastAt = -Infinity

  /** Take a key; gives the whole text when a reader has ended it. */
  take(key: string, at: number): string | null {
    if (at - this.lastAt > BETWEEN_KEYS_MS_MAX) this.read = ''
    this.lastAt = at
    if (key === 'Enter') {
      const whole = this.read
      this.read = ''
      return whole.length >= LENGTH_MIN ? whole : null
    }
    if (key.length === 1) this.read += key
    return null
  }
}
