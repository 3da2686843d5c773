/** A person's own matters with the insurer: what is kept of the face, and ending it. */

import type { components } from '../contract/terminal'
import type { CaptureClient, Purpose } from '../terminal/capture'
import { newIdentifier } from '../terminal/bytes'
import type { Client, Signer } from '../terminal/requests'

type Schemas = components['schemas']
export type Copy = Schemas['CopyAnswer']
export type Withdrawal = Schemas['WithdrawalAnswer']

export const COPY_PATH = '/terminal/v1/consents/copy'
export const WITHDRAWAL_PATH = '/terminal/v1/consents/withdrawals'
const OWN_SCENE = '09001'
/** Looking, and withdrawing each of the three. */
const USES = 4

/** One proof, made when the person said "that is me"; every act is a use of its own. */
export class OwnMatters {
  private proof: Promise<{ auth_no: string; intent_id: string }> | null = null

  constructor(
    private readonly client: Client,
    private readonly signer: Signer,
    private readonly captures: CaptureClient,
    private readonly sessionId: string,
  ) {}

  async copy(): Promise<Copy> {
    return this.client.post<Copy>(COPY_PATH, await this.body(), this.signer)
  }

  async withdraw(purpose: Purpose): Promise<Withdrawal> {
    const body = { ...(await this.body()), purpose }
    return this.client.post<Withdrawal>(WITHDRAWAL_PATH, body, this.signer)
  }

  private async body(): Promise<Schemas['CopyBody']> {
    this.proof ??= this.proven()
    return { claim: this.captures.claim, ...(await this.proof), child_number: null }
  }

  private async proven(): Promise<{ auth_no: string; intent_id: string }> {
    const intent_id = newIdentifier()
    const intent = {
      intent_id,
      scene: OWN_SCENE,
      amount_max_fen: 0,
      uses: USES,
      beneficiary: null,
      relation: 'self',
    } as const
    const { auth_no } = await this.captures.prove(this.sessionId, intent)
    return { auth_no, intent_id }
  }
}
