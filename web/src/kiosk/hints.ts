/**
 * Which one hint stands before a person: what the server says of each frame, held long enough to
 * be read. A hint must hold 0.4 s before it shows and stays at least 1.2 s; the gravest comes first.
 */

import type { Box, Seen } from '../terminal/capture'

export type HintCode = NonNullable<Seen['hint']> | 'network' | 'busy'

export const HOLD_MS = 400
export const STAY_MS = 1_200
/** A hint that comes again within this time has held: frames are looked at a few times a second. */
export const GAP_MS = 600

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
  since: number
  last: number
}

export class HintHolder {
  /** What stands on the screen. */
  shown: HintCode | null = null
  private shownAt = -Infinity
  private readonly held = new Map<HintCode, Held>()
  private ripe: HintCode | null = null

  /** Take what one frame says, at a moment in milliseconds; gives what is to stand now. */
  take(hint: HintCode | null, now: number): HintCode | null {
    if (hint === null) {
      this.ripe = null
      if (now - this.shownAt >= STAY_MS) this.shown = null
      return this.shown
    }
    if (this.ripens(hint, now)) this.await(hint)
    const next = this.ripe
    const mayChange = this.shown === null || now - this.shownAt >= STAY_MS
    if (next !== null && next !== this.shown && (mayChange || AT_ONCE.has(next))) this.show(next, now)
    return this.shown
  }

  clear(): void {
    this.shown = null
    this.held.clear()
    this.ripe = null
    this.shownAt = -Infinity
  }

  /** Two hints may take turns from frame to frame; each holds while it comes again soon. */
  private ripens(hint: HintCode, now: number): boolean {
    const before = this.held.get(hint)
    const goesOn = before !== undefined && now - before.last <= GAP_MS
    const held = { since: goesOn ? before.since : now, last: now }
    this.held.set(hint, held)
    return AT_ONCE.has(hint) || now - held.since >= HOLD_MS
  }

  /** One that waits gives way to a graver one, and to any once it is shown and has gone. */
  private await(hint: HintCode): void {
    const last = this.ripe === null ? null : this.held.get(this.ripe)
    const now = this.held.get(hint)?.last ?? 0
    const isGone = last === null || last === undefined || now - last.last > GAP_MS
    const waits = this.ripe !== null && this.ripe !== this.shown
    if (this.ripe === null || graver(hint, this.ripe) || (isGone && !waits)) this.ripe = hint
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
