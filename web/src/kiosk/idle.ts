/** Nobody touches: after 60 s somebody is asked, after 20 s more everything is cleared. */

export const ASK_AFTER_MS = 60_000
export const CLEAR_AFTER_MS = 20_000
/** Somebody who helps another takes longer. */
export const HELPER_FACTOR = 2

export type IdleState = 'active' | 'asking' | 'over'

export class Idle {
  private touchedAt: number
  factor = 1

  constructor(private readonly now: () => number = () => Date.now()) {
    this.touchedAt = now()
  }

  touch(): void {
    this.touchedAt = this.now()
  }

  get state(): IdleState {
    const quiet = this.quietMs
    if (quiet < ASK_AFTER_MS * this.factor) return 'active'
    return quiet < ASK_AFTER_MS * this.factor + CLEAR_AFTER_MS ? 'asking' : 'over'
  }

  /** Whole seconds until everything is cleared, while it is asked. */
  get secondsLeft(): number {
    const left = ASK_AFTER_MS * this.factor + CLEAR_AFTER_MS - this.quietMs
    return Math.max(0, Math.ceil(left / 1000))
  }

  private get quietMs(): number {
    return this.now() - this.touchedAt
  }
}
