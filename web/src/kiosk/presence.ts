/** Who stands there, as evidence for the hospital: one scan gives one proof, of one intent. */

import type { components } from '../contract/terminal'
import { newIdentifier } from '../terminal/bytes'
import type { CaptureClient, Scene } from '../terminal/capture'
import type { Found, Shown } from './flow'
import type { Evidence, ShownEvidence } from './hospital'

type Intent = components['schemas']['IntentBody']

/** What the person confirms beside being themselves. */
export interface Asked {
  intentId: string
  amountMaxFen: number
  /** Typed where money is moved on a face. */
  pin: string | null
}

export type Whose = { session_id: string; beneficiary: string | null } | { evidence: ShownEvidence }

export interface Presence {
  /** Whether a code must be shown anew to confirm: it lives for half a minute. */
  readonly kind: 'face' | 'code' | 'card'
  /** By which the own bills are found, before anything is confirmed. */
  whose(): Whose
  evidence(asked?: Asked): Promise<Evidence>
}

const NO_MONEY = { amountMaxFen: 0, pin: null }

/** A verified face. The proof is made once; who asks again for the same intent gets the same one. */
export class ByFace implements Presence {
  readonly kind = 'face'
  private proof: { intentId: string; made: Promise<string> } | null = null

  constructor(
    private readonly captures: CaptureClient,
    private readonly found: Found,
    private readonly scene: Scene,
    private readonly beneficiary: string | null,
  ) {}

  whose(): { session_id: string; beneficiary: string | null } {
    return { session_id: this.found.sessionId, beneficiary: this.beneficiary }
  }

  async evidence(asked?: Asked): Promise<Evidence> {
    const { intentId, amountMaxFen, pin } = asked ?? { intentId: this.proof?.intentId ?? newIdentifier(), ...NO_MONEY }
    if (this.proof?.intentId !== intentId) {
      const made = this.proven(intentId, amountMaxFen, pin)
      this.proof = { intentId, made }
      // A wrong PIN, or a question that got lost, may be asked again.
      made.catch(() => (this.proof = null))
    }
    return {
      kind: 'face',
      auth_no: await (this.proof as { made: Promise<string> }).made,
      intent_id: intentId,
      scene: this.scene,
      first_frame_at: this.found.firstFrameAt,
      relation: this.relation,
    }
  }

  private get relation(): 'self' | 'family' {
    return this.beneficiary === null ? 'self' : 'family'
  }

  private async proven(intent_id: string, amount_max_fen: number, pin: string | null): Promise<string> {
    const intent: Intent = {
      intent_id,
      scene: this.scene,
      amount_max_fen,
      uses: 1,
      beneficiary: this.beneficiary,
      relation: this.relation,
    }
    return (await this.captures.prove(this.found.sessionId, intent, pin)).auth_no
  }
}

/** A code or a card that was read. */
export class ByShown implements Presence {
  readonly kind: 'code' | 'card'
  private readonly first = newIdentifier()

  constructor(private shown: Shown) {
    this.kind = shown.kind
  }

  whose(): { evidence: ShownEvidence } {
    return { evidence: this.body(this.first) }
  }

  async evidence(asked?: Asked): Promise<Evidence> {
    return this.body(asked?.intentId ?? this.first)
  }

  /** The phone has shown its code once more. */
  again(shown: Shown): void {
    this.shown = shown
  }

  private body(intent_id: string): ShownEvidence {
    const { shown } = this
    return shown.kind === 'code'
      ? { kind: 'code', token: shown.token, intent_id }
      : { kind: 'card', card_no: shown.cardNo, pin: shown.pin, intent_id }
  }
}
