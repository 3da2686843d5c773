/**
 * Spoken clips: one queue, no sentence is ever cut off, the newest hint replaces waiting ones.
 *
 * Chinese only; whoever reads English gets the subtitle that everybody gets.
 */

export type Play = (clip: string) => Promise<void>

export const SAME_HINT_MS = 4_000

interface Waiting {
  clips: readonly string[]
  isHint: boolean
}

export class Voice {
  on = true
  private speaking = false
  private waiting: Waiting[] = []
  private readonly saidAt = new Map<string, number>()

  constructor(
    private readonly play: Play,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Say a sentence of one or more clips after what is being said; another page drops it. */
  say(...clips: string[]): void {
    this.waiting = [{ clips, isHint: false }]
    void this.go()
  }

  /** Say what to do before the camera; the same hint not again within four seconds. */
  hint(clip: string): void {
    if (this.now() - (this.saidAt.get(clip) ?? -Infinity) < SAME_HINT_MS) return
    this.waiting = [...this.waiting.filter((each) => !each.isHint), { clips: [clip], isHint: true }]
    void this.go()
  }

  /** Forget what was not begun; the sentence that is being said ends by itself. */
  quiet(): void {
    this.waiting = []
  }

  private async go(): Promise<void> {
    if (this.speaking) return
    this.speaking = true
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift())
      for (const clip of next.clips) await this.one(clip)
    this.speaking = false
  }

  private async one(clip: string): Promise<void> {
    if (!this.on) return
    this.saidAt.set(clip, this.now())
    // A clip that cannot be played is no reason to stop: its words stand on the screen.
    await this.play(clip).catch(() => {})
  }
}
