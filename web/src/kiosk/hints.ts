/**
 * Which one hint stands before a person: what the server says of each frame, held long enough to
 * be read. A hint must hold 0.4 s before it shows and stays at least 1.2 s; the gravest comes first.
 */

import type { Box, Seen } from '../terminal/capture'

export type HintCode = NonNullable<Seen['hint']> | 'network' | 'busy'

export const HOLD_MS = 400
export const STAY_MS = 1_200

/** The gravest first: camera and network, nobody or several, light, distance, centre, cover … */
export const GRAVITY: readonly HintCode[] = [
  'network',
  'busy',
  'no_face',
  'several_people',
  'too_dark',
  'too_bright',
  'back_lit',
  'too_far',
  'too_close',
  'off_centre',
  'mask',
  'sunglasses',
  'glare',
  'eyes_closed',
  'turn_front',
  'tilted',
  'moving',
  'hold_still',
]

const AT_ONCE = new Set<HintCode>(['network', 'busy'])

interface Held {
  hint: HintCode
  since: number
}

export class HintHolder {
  /** What stands on the screen. */
  shown: HintCode | null = null
  private shownAt = -Infinity
  private candidate: Held | null = null
  private ripe: HintCode | null = null

  /** Take what one frame says, at a moment in milliseconds; gives what is to stand now. */
  take(hint: HintCode | null, now: number): HintCode | null {
    this.consider(hint, now)
    const next = this.ripe
    const mayChange = this.shown === null || now - this.shownAt >= STAY_MS
    if (next !== null && next !== this.shown && (mayChange || AT_ONCE.has(next))) this.show(next, now)
    return this.shown
  }

  clear(): void {
    this.shown = null
    this.candidate = null
    this.ripe = null
    this.shownAt = -Infinity
  }

  private consider(hint: HintCode | null, now: number): void {
    if (hint === null) {
      this.candidate = null
      this.ripe = null
      if (now - this.shownAt >= STAY_MS) this.shown = null
      return
    }
    if (this.candidate?.hint !== hint) this.candidate = { hint, since: now }
    const ripened = AT_ONCE.has(hint) || now - this.candidate.since >= HOLD_MS
    // One that waits for its turn gives way to a graver one, and to a newer one once it is shown.
    if (ripened && (this.ripe === null || this.ripe === this.shown || graver(hint, this.ripe)))
      this.ripe = hint
  }

  private show(hint: HintCode, now: number): void {
    this.shown = hint
    this.shownAt = now
  }
}

export function graver(one: HintCode, other: HintCode): boolean {
  return GRAVITY.indexOf(one) < GRAVITY.indexOf(other)
}

/**
 * To which of their own sides somebody must move to come to the middle; null in the middle.
 *
 * The frame is not mirrored: who stands at its left edge stands too far to their own right. On the
 * mirrored picture they see themselves at the right and move to the left.
 */
export function sideToMove(box: Box | null, frameWidth: number): 'left' | 'right' | null {
  if (box === null) return null
  const off = box.x + box.width / 2 - frameWidth / 2
  if (Math.abs(off) < frameWidth * 0.06) return null
  return off < 0 ? 'left' : 'right'
}
