/** A bell for a person: rung until somebody's open page has heard it, and looked at until they come. */

import type { Help } from './flow'
import type { HelpCall, Hospital } from './hospital'

/** So long nobody has heard it: then the screen sends people to the desk. */
export const RINGS_MS = 20_000
const LOOK_EVERY_MS = 2_000

export class Bell {
  private stopped = false
  private ends = true
  private coming = false
  private callNo: string | null = null

  constructor(
    private readonly hospital: Pick<Hospital, 'ring' | 'bell' | 'endCall'>,
    private readonly told: (help: Help) => void,
    private readonly pause: (ms: number) => Promise<void> = wait,
    private readonly now: () => number = Date.now,
  ) {}

  /** Never throws: where nobody can be rung the screen says so. */
  async ring(): Promise<void> {
    try {
      const call = await this.hospital.ring()
      this.callNo = call.call_no
      if (this.stopped) return this.ends ? await this.end() : undefined
      await this.watch(call)
    } catch {
      this.tell({ state: 'nobody', helper: null })
    }
  }

  /**
   * The page is left. Somebody who goes on alone is waited for by nobody; somebody who only stood
   * there without a touch, or to whom a person is on their way, is not forgotten.
   */
  stop(goesOn: boolean): void {
    if (this.stopped) return
    this.stopped = true
    this.ends = goesOn && !this.coming
    if (this.ends && this.callNo !== null) void this.end().catch(() => null)
  }

  private async watch(rung: HelpCall): Promise<void> {
    const since = this.now()
    for (let call = rung; !this.stopped; call = await this.hospital.bell(call.call_no)) {
      if (call.state === 'over') return
      if (call.helper !== null && call.state !== 'ringing') {
        this.coming = call.state === 'coming'
        this.tell({ state: call.state, helper: call.helper })
      } else if (this.now() - since > RINGS_MS) {
        // Whoever is told that nobody knows is not surprised by somebody who comes all the same.
        this.stop(true)
        return this.told({ state: 'nobody', helper: null })
      }
      await this.pause(LOOK_EVERY_MS)
    }
  }

  private async end(): Promise<void> {
    if (this.callNo !== null) await this.hospital.endCall(this.callNo)
  }

  private tell(help: Help): void {
    if (!this.stopped) this.told(help)
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
