/** The terminal around its camera: enrolled or not, believed or not, heard or not. */

import type { components } from '../contract/terminal'
import { enrolmentBody, keyIdOf, newKey } from './keys'
import { Refused, type Refusal } from './refusal'
import type { Identity, IdentityStore } from './identity'
import type { Client, Signer } from './requests'
import type { Claim } from './capture'

type Schemas = components['schemas']
export type Welcome = Schemas['WelcomeAnswer']

export const ENROLMENT_PATH = '/terminal/v1/enrolment'
export const HEARTBEAT_PATH = '/terminal/v1/heartbeat'
export const WELCOME_PATH = '/terminal/v1/welcome'

export const BEAT_MS = 60_000
export const SOON_MS = 5_000
/** A camera that failed is reported so long; then somebody may try it again. */
export const CAMERA_RESTS_MS = 90_000

/** How the terminal stands; everything but `ready` closes the kiosk. */
export type Standing =
  | 'checking'
  | 'unenrolled'
  | 'pending'
  | 'ready'
  | 'suspended'
  | 'revoked'
  | 'outdated'
  | 'uncertified'
  | 'offline'
  | 'unusable'

const STANDING_OF: Readonly<Record<string, Standing>> = {
  'terminals.terminal_pending': 'pending',
  'terminals.terminal_suspended': 'suspended',
  'terminals.terminal_revoked': 'revoked',
  'terminals.key_unknown': 'revoked',
  'terminals.key_retired': 'revoked',
  'terminals.software_outdated': 'outdated',
  'terminals.model_expired': 'uncertified',
  'terminals.model_withdrawn': 'uncertified',
  'terminals.simulated_outside_sandbox': 'uncertified',
  'terminals.terminal_at_risk': 'unusable',
  'terminals.insurer_unreachable': 'offline',
}
const BLOCKING = new Set(['moved', 'tampered'])

export interface DeviceParts {
  client: Client
  store: IdentityStore
  origin: string
  software: string
  cameraLooksWell: () => Promise<boolean>
  diskFreePercent: () => Promise<number>
}

export class Device {
  standing: Standing = 'checking'
  identity: Identity | null = null
  /** What the listener says about this place; null before it was asked. */
  welcome: Welcome | null = null
  /** The refusal behind a standing that is not `ready`. */
  refusal: Refusal | null = null
  private cameraFailedAt = -Infinity

  constructor(
    private readonly parts: DeviceParts,
    private readonly changed: () => void = () => {},
  ) {}

  get signer(): Signer | null {
    if (this.identity === null) return null
    const { key, keyId } = this.identity
    return { key, keyId, origin: this.parts.origin }
  }

  get claim(): Claim {
    return { place_id: this.identity?.placeId ?? '' }
  }

  /** How soon the next heartbeat is due: often while something is waited for. */
  get nextBeatMs(): number {
    return this.standing === 'ready' ? BEAT_MS : SOON_MS
  }

  async start(): Promise<void> {
    this.identity = await this.parts.store.identity()
    if (this.identity === null) return this.stand('unenrolled')
    await this.beat()
  }

  /** Throws {@link Refused}; again with the same code after a lost answer the key is the same. */
  async enrol(code: string, certificate: string): Promise<void> {
    const { store, software, client } = this.parts
    let key = await store.waitingKey()
    if (key === null) {
      key = await newKey()
      await store.keepWaitingKey(key)
    }
    const body = await enrolmentBody(key, { code, certificate, software })
    try {
      const answer = await client.post<Schemas['EnrolmentAnswer']>(ENROLMENT_PATH, body)
      const { terminal_id: terminalId, place_id: placeId } = answer
      this.identity = { key, keyId: await keyIdOf(key), terminalId, placeId }
    } catch (failure) {
      // Answered long ago, for a terminal that was revoked since: this key is spent.
      if (failure instanceof Refused && failure.refusal.code === 'terminals.key_taken')
        await store.forget()
      throw failure
    }
    await store.keep(this.identity)
    await this.beat()
  }

  /** Forget a key that the insurer no longer knows, so that the terminal can enrol anew. */
  async forget(): Promise<void> {
    await this.parts.store.forget()
    this.identity = null
    this.welcome = null
    this.stand('unenrolled')
  }

  /** Report, learn the judgement, and ask who we are until it is known. Never throws. */
  async beat(): Promise<void> {
    const signer = this.signer
    if (signer === null) return
    try {
      const answer = await this.parts.client.post<Schemas['HeartbeatAnswer']>(
        HEARTBEAT_PATH,
        await this.report(),
        signer,
      )
      if (answer.reasons.some((reason) => BLOCKING.has(reason))) return this.stand('unusable')
      // Only a business request tells whether software and certificate are still good.
      if (this.welcome === null || this.standing !== 'ready') await this.greet(signer)
      this.stand('ready')
    } catch (failure) {
      this.refused(failure)
    }
  }

  /** A refusal that anybody met may mean that the whole terminal has to close. */
  refused(failure: unknown): void {
    if (!(failure instanceof Refused)) return this.stand('offline')
    const standing = STANDING_OF[failure.refusal.code]
    if (standing !== undefined) this.stand(standing, failure.refusal)
    else if (this.standing === 'checking') this.stand('unusable', failure.refusal)
  }

  /** The camera gave no picture; the next heartbeats say so until one does. */
  cameraGave(well: boolean): void {
    this.cameraFailedAt = well ? -Infinity : Date.now()
  }

  private async greet(signer: Signer): Promise<void> {
    this.welcome = await this.parts.client.post<Welcome>(WELCOME_PATH, this.claim, signer)
  }

  private async report(): Promise<Schemas['HeartbeatBody']> {
    const looksWell = await this.parts.cameraLooksWell()
    return {
      software: this.parts.software,
      camera_ok: looksWell && Date.now() - this.cameraFailedAt > CAMERA_RESTS_MS,
      disk_free_percent: await this.parts.diskFreePercent(),
      // A browser has nothing that could notice it.
      tampered: false,
      claim: this.claim,
    }
  }

  private stand(standing: Standing, refusal: Refusal | null = null): void {
    this.standing = standing
    this.refusal = refusal
    this.changed()
  }
}

/** Of what the browser may use, which is all that it knows of the disk. */
export async function diskFreePercent(): Promise<number> {
  const found = await navigator.storage?.estimate?.().catch(() => null)
  if (!found?.quota) return 100
  return Math.max(0, Math.min(100, Math.round(100 - (100 * (found.usage ?? 0)) / found.quota)))
}
