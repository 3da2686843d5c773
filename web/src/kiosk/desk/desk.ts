/**
 * A terminal that stands at a desk: it scans only when the staff beside it ask, for exactly what
 * they ask, and hands the proof over to its own hospital. It keeps nothing of a person.
 */

import { shallowReactive } from 'vue'
import type { components } from '../../contract/terminal'
import { cameraLooksWell, openCamera, type Camera } from '../../terminal/camera'
import { CaptureClient, STREAM_PATH, type Outcome, type Person, type Purpose, type Sight } from '../../terminal/capture'
import { Device, diskFreePercent, type Standing } from '../../terminal/device'
import { NO_CAMERA, NOT_UNDERSTOOD, Refused, UNREACHABLE, type Refusal } from '../../terminal/refusal'
import { get } from '../../terminal/requests'
import { HintHolder, sideToMove } from '../hints'
import { FAILURES_PATH, NOTICE_PATH, type Failure, type KioskParts, type LiveView, type Notice } from '../kiosk'
import { Voice } from '../voice'

type Schemas = components['schemas']
export type Wanted = Schemas['ScanWantedAnswer']

export const NEXT_PATH = '/terminal/v1/hospital/handovers/next'
export const HANDOVER_PATH = '/terminal/v1/hospital/handovers'
export const REFUSED_PATH = '/terminal/v1/hospital/handovers/refused'
export const POLL_MS = 1_500
const DONE_MS = 6_000
const FRAME_WIDTH = 640

export interface FoundHere {
  sessionId: string
  person: Person
  firstFrameAt: string
  /** Whether the person agreed at this scan that the own share comes from their account. */
  fromWallet: boolean
}

export type State =
  | { at: 'waiting' }
  | { at: 'asked'; wanted: Wanted }
  | { at: 'notice'; wanted: Wanted; ticks: readonly Purpose[] }
  | { at: 'scan'; wanted: Wanted; ticks: readonly Purpose[] }
  | { at: 'confirm'; wanted: Wanted; found: FoundHere }
  | { at: 'sending'; wanted: Wanted }
  | { at: 'done'; wanted: Wanted }
  | { at: 'refused'; wanted: Wanted; refusal: Refusal }

const WAITING: State = { at: 'waiting' }

/** Where what the desk asks now leads: a newer asking, or none, clears whatever stood here. */
export function asked(state: State, wanted: Wanted | null): State {
  if (state.at === 'sending' || state.at === 'done') return state
  if (wanted === null) return WAITING
  if (state.at !== 'waiting' && state.wanted.asked_no === wanted.asked_no) return state
  return { at: 'asked', wanted }
}

/** That the account pays the own share takes the person's own tick at this scan. */
export function agreesToPay(ticks: readonly Purpose[]): boolean {
  return ticks.includes('one_scan_payment')
}

const NOTHING_LIVE: LiveView = {
  stream: null, hint: null, side: null, prompt: null, progress: 0, deciding: false, slow: false,
}

export class Desk {
  readonly device: Device
  readonly failures = new Map<string, Failure>()
  readonly view: { state: State; standing: Standing; live: LiveView; notice: Notice | null }
  private readonly voice: Voice
  private readonly hints = new HintHolder()
  private running: AbortController | null = null

  constructor(private readonly parts: KioskParts) {
    this.view = shallowReactive({ state: WAITING, standing: 'checking', live: NOTHING_LIVE, notice: null })
    this.voice = new Voice(parts.play)
    this.device = new Device({ ...parts, cameraLooksWell, diskFreePercent }, () => this.stood())
  }

  async start(): Promise<void> {
    const answer = await get<Schemas['FailuresAnswer']>(FAILURES_PATH).catch(() => null)
    for (const failure of answer?.failures ?? []) this.failures.set(failure.code, failure)
    await this.device.start()
    this.beatAgain()
    this.pollAgain()
  }

  async enrol(code: string, certificate: string): Promise<void> {
    await this.device.enrol(code, certificate)
  }

  set speaks(on: boolean) {
    this.voice.on = on
  }

  /** The person has read the bill and goes on to the notice. */
  async toNotice(): Promise<void> {
    const { state } = this.view
    if (state.at !== 'asked' && state.at !== 'refused') return
    const { wanted } = state
    this.go({ at: 'notice', wanted, ticks: [] })
    if (this.view.notice !== null) return
    try {
      const body = { scene: wanted.scene, claim: this.device.claim }
      this.view.notice = await this.parts.client.post<Notice>(NOTICE_PATH, body, this.signer())
      this.voice.say(`notice.${this.view.notice.version}.spoken`)
    } catch (failure) {
      this.failed(wanted, failure)
    }
  }

  tick(purpose: Purpose): void {
    const { state } = this.view
    if (state.at !== 'notice') return
    const had = state.ticks.includes(purpose)
    const ticks = had ? state.ticks.filter((each) => each !== purpose) : [...state.ticks, purpose]
    this.go({ ...state, ticks })
  }

  readAloud(): void {
    if (this.view.notice !== null) this.voice.say(`notice.${this.view.notice.version}.text`)
  }

  agree(): void {
    const { state } = this.view
    if (state.at !== 'notice' || !state.ticks.includes('comparison')) return
    this.go({ ...state, at: 'scan' })
    void this.scan(state.wanted, state.ticks)
  }

  /** Another way is as good: the desk is told, and goes on with a document, card or code. */
  decline(): void {
    const { state } = this.view
    if (!('wanted' in state)) return
    this.tell(state.wanted, 'declined')
    this.go(WAITING)
  }

  /** "That is me": the proof is made for exactly what the desk asked, and goes to the hospital. */
  async confirm(): Promise<void> {
    const { state } = this.view
    if (state.at !== 'confirm') return
    const { wanted, found } = state
    this.go({ at: 'sending', wanted })
    try {
      const intent = {
        intent_id: wanted.intent_id,
        scene: wanted.scene,
        amount_max_fen: wanted.amount_max_fen,
        uses: 1,
        beneficiary: null,
        relation: 'self',
      } as const
      const { auth_no } = await this.captures().prove(found.sessionId, intent)
      const body: Schemas['HandOverBody'] = {
        asked_no: wanted.asked_no,
        evidence: {
          kind: 'face',
          auth_no,
          intent_id: wanted.intent_id,
          scene: wanted.scene,
          first_frame_at: found.firstFrameAt,
          relation: 'self',
        },
        from_wallet: found.fromWallet,
      }
      await this.parts.client.post(HANDOVER_PATH, body, this.signer())
      this.go({ at: 'done', wanted })
      setTimeout(() => this.view.state.at === 'done' && this.go(WAITING), DONE_MS)
    } catch (failure) {
      this.failed(wanted, failure)
    }
  }

  private async scan(wanted: Wanted, ticks: readonly Purpose[]): Promise<void> {
    const running = new AbortController()
    this.running = running
    this.hints.clear()
    this.view.live = NOTHING_LIVE
    this.voice.say('kiosk.look')
    let camera: Camera | null = null
    try {
      camera = await (this.parts.openCamera ?? openCamera)(running.signal)
      this.device.cameraGave(true)
      this.view.live = { ...NOTHING_LIVE, stream: camera.stream }
      const session = await this.captures().begin({
        scene: wanted.scene,
        notice_version: this.view.notice?.version ?? '',
        consents: [...ticks],
        look_for: { kind: 'called' },
        amount_max_fen: wanted.amount_max_fen,
      })
      const firstFrameAt = new Date().toISOString()
      const eye = camera
      const outcome = await session
        .attempt({ frame: () => eye.frame() }, (sight) => this.show(sight), running.signal)
        .finally(() => session.close())
      if (!running.signal.aborted) this.decided(wanted, ticks, outcome, { sessionId: session.sessionId, firstFrameAt })
    } catch (failure) {
      if (!running.signal.aborted) this.failed(wanted, failure)
    } finally {
      camera?.close()
    }
  }

  private decided(
    wanted: Wanted,
    ticks: readonly Purpose[],
    outcome: Outcome,
    scan: { sessionId: string; firstFrameAt: string },
  ): void {
    if (outcome.kind === 'refused') return this.failed(wanted, new Refused(outcome.refusal))
    const { state, person, told } = outcome.result
    if (state === 'verified' && person !== null) {
      this.voice.say('kiosk.confirm_identity')
      return this.go({ at: 'confirm', wanted, found: { ...scan, person, fromWallet: agreesToPay(ticks) } })
    }
    const code = told ?? 'not_matched'
    this.failed(wanted, new Refused({ ...NOT_UNDERSTOOD, code: `desk.${code}`, told: code }))
  }

  private failed(wanted: Wanted, failure: unknown): void {
    const refusal = failure instanceof Refused ? failure.refusal : NOT_UNDERSTOOD
    if (!(failure instanceof Refused)) console.error(failure)
    if (refusal.code === NO_CAMERA.code) this.device.cameraGave(false)
    this.device.refused(failure)
    this.voice.say(this.failures.get(refusal.told ?? '')?.clip ?? 'kiosk.not_done')
    this.tell(wanted, refusal.told ?? 'failed')
    this.go({ at: 'refused', wanted, refusal })
  }

  private show(sight: Sight): void {
    const hint = this.hints.take(sight.hint, performance.now())
    const { prompt, progress } = sight
    const side = hint === 'off_centre' ? sideToMove(sight.box, FRAME_WIDTH) : null
    const graver = prompt !== null && sight.hint !== null
    this.view.live = {
      ...this.view.live,
      hint: prompt === null || graver ? hint : null,
      side,
      prompt,
      progress,
      deciding: progress >= 1,
    }
    if (prompt !== null && hint === null) this.voice.hint(`kiosk.turn_${prompt}`)
    else if (hint === 'hold_still') this.voice.hint('kiosk.hold_still')
    else if (hint !== null) this.voice.hint(this.failures.get(hint)?.clip ?? `scan.${hint}`)
  }

  /** Whatever may not outlive a state ends here, on every way out. */
  private go(next: State): void {
    if (this.view.state.at === 'scan' && next.at !== 'scan') {
      this.running?.abort()
      this.running = null
      this.view.live = NOTHING_LIVE
    }
    if (next.at === 'asked' && next.wanted.amounts !== null) this.voice.say('kiosk.check_fees')
    this.view.state = next
  }

  /** The desk learns why nothing came; when it cannot be told it waits until the asking ends. */
  private tell(wanted: Wanted, code: string): void {
    const body: Schemas['RefusedBody'] = { asked_no: wanted.asked_no, code }
    void this.parts.client.post(REFUSED_PATH, body, this.signer()).catch(() => null)
  }

  private async poll(): Promise<void> {
    if (this.view.standing !== 'ready') return
    const answer = await this.parts.client
      .post<Schemas['NextAnswer']>(NEXT_PATH, {}, this.signer())
      .catch((failure: unknown) => {
        this.device.refused(failure)
        return null
      })
    if (answer === null) return
    const after = asked(this.view.state, answer.wanted)
    if (after !== this.view.state) this.go(after)
  }

  private pollAgain(): void {
    setTimeout(() => void this.poll().finally(() => this.pollAgain()), POLL_MS)
  }

  private beatAgain(): void {
    setTimeout(() => void this.device.beat().finally(() => this.beatAgain()), this.device.nextBeatMs)
  }

  private stood(): void {
    this.view.standing = this.device.standing
    if (this.device.standing !== 'ready' && this.device.standing !== 'offline') this.go(WAITING)
  }

  private signer() {
    const { signer } = this.device
    if (signer === null) throw new Refused(UNREACHABLE)
    return signer
  }

  private captures(): CaptureClient {
    const uri = this.parts.streamOrigin + STREAM_PATH
    return new CaptureClient(this.parts.client, this.signer(), this.device.claim, uri)
  }
}

