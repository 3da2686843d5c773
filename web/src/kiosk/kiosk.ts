/** The running kiosk: drives the camera, the socket and the voice by where the flow stands. */

import { reactive, shallowReactive } from 'vue'
import type { components } from '../contract/terminal'
import { cameraLooksWell, openCamera, type Camera, type OpenCamera } from '../terminal/camera'
import {
  CaptureClient,
  STREAM_PATH,
  type CaptureSession,
  type Outcome,
  type Purpose,
  type Sight,
} from '../terminal/capture'
import { Device, diskFreePercent } from '../terminal/device'
import type { IdentityStore } from '../terminal/identity'
import { NO_CAMERA, NOT_UNDERSTOOD, Refused, UNREACHABLE, type Refusal } from '../terminal/refusal'
import { get, type Client, type Signer } from '../terminal/requests'
import { Bell } from './bell'
import { Booking, CheckingIn, Looking, OwnBookings, Paying, Registering, Reporting, type ErrandParts } from './errands'
import {
  ASLEEP,
  clipsAt,
  journeyOf,
  PAYS_FEN_MAX,
  SCENE_OF,
  tasksOf,
  step,
  type Event,
  type Found,
  type Journey,
  type Money,
  type State,
  type Task,
} from './flow'
import { Hospital } from './hospital'
import { HintHolder, sideToMove, type HintCode } from './hints'
import { HELPER_FACTOR, Idle } from './idle'
import { OwnMatters, type Copy, type Withdrawal } from './own'
import { ByFace, ByShown, type Presence } from './presence'
import { clipsOf } from './spoken'
import { Voice, type Play } from './voice'

type Schemas = components['schemas']
export type Notice = Schemas['NoticeAnswer']
export type Failure = Schemas['FailureAnswer']

export const NOTICE_PATH = '/terminal/v1/notice'
export const FAILURES_PATH = '/terminal/v1/failures'

const NO_FACE_HOME_MS = 20_000
const SLOW_MS = 15_000
const TICK_MS = 250
const RECONNECT_MS_MAX = 10_000
const RECONNECT_PAUSE_MS = 1_500
const CLOSED = new Set<Device['standing']>([
  'unenrolled',
  'suspended',
  'revoked',
  'outdated',
  'uncertified',
  'unusable',
])
const FRAME_WIDTH = 640

/** What the camera page shows at this moment; pixels are nowhere else than in the stream. */
export interface LiveView {
  stream: MediaStream | null
  hint: HintCode | null
  side: 'left' | 'right' | null
  prompt: Sight['prompt']
  progress: number
  deciding: boolean
  slow: boolean
}

export interface Settings {
  large: boolean
  english: boolean
  sound: boolean
  low: boolean
  helper: boolean
}

export interface View {
  state: State
  standing: Device['standing']
  live: LiveView
  asking: number | null
  notice: Notice | null
  settings: Settings
  /** What is being done with the hospital; outlives the page that shows it. */
  errand: AnyErrand | null
}

export type AnyErrand = Registering | Booking | OwnBookings | CheckingIn | Looking | Paying | Reporting

export interface KioskParts {
  client: Client
  store: IdentityStore
  origin: string
  streamOrigin: string
  software: string
  play: Play
  openCamera?: OpenCamera
  now?: () => number
}

const PLAIN: Readonly<Settings> = {
  large: false,
  english: false,
  sound: true,
  low: false,
  helper: false,
}

function nothingLive(): LiveView {
  return {
    stream: null,
    hint: null,
    side: null,
    prompt: null,
    progress: 0,
    deciding: false,
    slow: false,
  }
}

export class Kiosk {
  readonly view: View
  readonly device: Device
  readonly failures = new Map<string, Failure>()
  /** Which failure's words a code beside a result means. */
  readonly standings = new Map<string, string>()
  readonly voice: Voice
  readonly hospital: Hospital
  private readonly idle: Idle
  private readonly hints = new HintHolder()
  private readonly openCamera: OpenCamera
  private readonly now: () => number
  private running: AbortController | null = null
  private readonly own = new WeakMap<
    Found,
    { copy: () => Promise<Copy>; withdraw: (purpose: Purpose) => Promise<Withdrawal> }
  >()
  private readonly presences = new WeakMap<Found, Presence>()
  private errandOf: Journey | null = null
  private saidAt = ''
  private bell: Bell | null = null
  private session: CaptureSession | null = null
  private beatTimer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly parts: KioskParts) {
    this.openCamera = parts.openCamera ?? openCamera
    this.now = parts.now ?? (() => Date.now())
    this.idle = new Idle(this.now)
    this.voice = new Voice(parts.play)
    this.view = shallowReactive({
      state: ASLEEP,
      standing: 'checking',
      live: nothingLive(),
      asking: null,
      notice: null,
      settings: reactive({ ...PLAIN }),
      errand: null,
    })
    this.hospital = new Hospital(parts.client, () => this.signer())
    this.device = new Device(
      { ...parts, cameraLooksWell, diskFreePercent },
      () => this.stood(),
    )
  }

  async start(): Promise<void> {
    setInterval(() => this.tick(), TICK_MS)
    await this.loadWords()
    await this.device.start()
    this.scheduleBeat()
  }

  /** Something that somebody did on the screen. */
  did(event: Event): void {
    this.touched()
    if (event.type === 'failed') return this.failed(event.refusal, event.money ?? null)
    this.go(event)
  }

  touched(): void {
    this.idle.touch()
    this.view.asking = null
  }

  set(change: Partial<Settings>): void {
    Object.assign(this.view.settings, change)
    this.voice.on = this.view.settings.sound && !this.view.settings.english
    this.idle.factor = this.view.settings.helper ? HELPER_FACTOR : 1
  }

  async enrol(code: string, certificate: string): Promise<void> {
    await this.device.enrol(code, certificate)
    this.scheduleBeat()
  }

  /** Read the whole notice, or the four sentences about safety, aloud. */
  readAloud(part: 'text' | 'safety'): void {
    const { notice } = this.view
    if (notice !== null) this.voice.say(`notice.${notice.version}.${part}`)
  }

  /** What can be done here: what the listener named when this terminal greeted it. */
  get tasks(): readonly Task[] {
    const { welcome } = this.device
    return tasksOf(welcome?.subjects ?? [], welcome?.scenes ?? [])
  }

  failureOf(refusal: Refusal): Failure | null {
    return refusal.told === null ? null : (this.failures.get(refusal.told) ?? null)
  }

  /** What the page of somebody's own matters calls; one proof for all of it. */
  ownMatters(found: Found): { copy: () => Promise<Copy>; withdraw: (purpose: Purpose) => Promise<Withdrawal> } {
    let own = this.own.get(found)
    if (own === undefined) {
      const made = new OwnMatters(this.parts.client, this.signer(), this.captures(), found.sessionId)
      own = { copy: () => made.copy(), withdraw: (purpose) => made.withdraw(purpose) }
      this.own.set(found, own)
    }
    return own
  }

  private go(event: Event): void {
    const before = this.view.state
    const after = step(before, event)
    if (after === before) return
    this.view.state = after
    this.leave(before, after)
    this.enter(before, after)
  }

  /** Whatever may not outlive a state ends here, on every way out. */
  private leave(before: State, after: State): void {
    if (before.at === 'scan') this.stopCamera()
    if (!(journeyOf(after)?.live ?? false) && !sameScan(before, after)) this.closeSession()
    if (before.at !== after.at) this.voice.quiet()
    if (before.at === 'help' && after.at !== 'help') this.bell?.stop(after.at !== 'asleep')
    if (this.errandOf !== null && taskOf(after) !== this.errandOf) this.endErrand()
  }

  private enter(before: State, after: State): void {
    if (after.at === 'asleep') this.set(PLAIN)
    const same = before.at === after.at && before.at !== 'scan' && !helpChanged(before, after)
    if (!same) this.speak(after)
    if (after.at === 'scan') void this.scan(after.journey)
    if (after.at === 'notice' || after.at === 'safety') void this.loadNotice(journeyOf(after))
    if (after.at === 'help' && before.at !== 'help') void this.ring()
    if (after.at === 'task' && this.errandOf !== after.journey) this.begin(after)
  }

  // --- errands with the hospital ----------------------------------------------------------------

  private begin({ journey, shown }: State & { at: 'task' }): void {
    const errand = this.errand(journey, shown === null ? null : new ByShown(shown))
    if (errand === null) return
    this.errandOf = journey
    this.saidAt = ''
    this.view.errand = errand
    errand.start()
  }

  private errand(journey: Journey, shown: Presence | null): AnyErrand | null {
    const { task, choice, found } = journey
    const presence = shown ?? (found === null ? null : this.presence(journey, found))
    if (presence === null) return null
    const parts: ErrandParts = {
      hospital: this.hospital,
      presence,
      who: journey.beneficiary?.masked_name ?? found?.person.masked_name ?? '',
      patient: journey.beneficiary?.masked_name ?? null,
      changed: () => this.errandChanged(journey),
      failed: (refusal, money) => this.failed(refusal, money),
    }
    if (task === 'register' && choice !== null) return new Registering(parts, choice)
    if (task === 'book') return choice === null ? new OwnBookings(parts) : new Booking(parts, choice, journey.moving)
    if (task === 'checkin') return new CheckingIn(parts, today)
    if (task === 'pay') return new Paying(parts)
    if (task === 'record') return new Looking(parts)
    return task === 'report' ? new Reporting(parts) : null
  }

  /** One scan gives one proof, also when something else is chosen with it afterwards. */
  private presence(journey: Journey, found: Found): Presence {
    let presence = this.presences.get(found)
    if (presence === undefined) {
      const relative = journey.beneficiary?.psn_no ?? null
      presence = new ByFace(this.captures(), found, SCENE_OF[journey.task], relative)
      this.presences.set(found, presence)
    }
    return presence
  }

  /** A refusal may mean that the whole terminal has to close; then nobody is told anything else. */
  private failed(refusal: Refusal, money: Money): void {
    this.device.refused(new Refused(refusal))
    this.go({ type: 'failed', refusal, money })
  }

  private errandChanged(journey: Journey): void {
    // An answer is no touch, but whoever waited for it gets the whole time to read it.
    this.touched()
    const { errand, state } = this.view
    if (errand === null || state.at !== 'task' || state.journey !== journey) return
    const { value } = errand.view
    // Said once, however often a lost network is tried again.
    if (value.at === this.saidAt) return
    this.saidAt = value.at
    const clips = clipsOf(value)
    if (clips.length > 0) this.voice.say(...clips)
  }

  private endErrand(): void {
    this.view.errand?.end()
    this.view.errand = null
    this.errandOf = null
  }

  private speak(state: State): void {
    const clips =
      state.at === 'refused'
        ? [this.failureOf(state.refusal)?.clip ?? 'kiosk.not_done']
        : clipsAt(state, this.view.notice?.version ?? null)
    if (clips.length > 0) this.voice.say(...clips)
  }

  // --- the scan --------------------------------------------------------------------------------

  private async scan(journey: Journey): Promise<void> {
    const running = new AbortController()
    this.running = running
    this.hints.clear()
    this.view.live = nothingLive()
    let camera: Camera | null = null
    try {
      camera = await this.openCamera(running.signal)
      this.device.cameraGave(true)
      this.view.live = { ...nothingLive(), stream: camera.stream }
      const found = await this.attempted(journey, camera, running.signal)
      if (!running.signal.aborted) this.go({ type: 'outcome', ...found })
    } catch (failure) {
      if (!running.signal.aborted) this.scanFailed(failure)
    } finally {
      camera?.close()
    }
  }

  private async attempted(
    journey: Journey,
    camera: Camera,
    signal: AbortSignal,
  ): Promise<{ sessionId: string; firstFrameAt: string; outcome: Outcome }> {
    const started = this.now()
    const firstFrameAt = new Date(started).toISOString()
    let faceAt = started
    const source = {
      frame: async () => {
        this.view.live = { ...this.view.live, slow: this.now() - started > SLOW_MS }
        if (this.now() - faceAt > NO_FACE_HOME_MS) throw new Refused(NO_CAMERA_NOBODY)
        return camera.frame()
      },
    }
    const seen = (sight: Sight): void => {
      if (signal.aborted) return
      if (sight.box !== null) {
        faceAt = this.now()
        this.idle.touch()
      }
      this.show(sight)
    }
    if (journey.live && this.session !== null) {
      const { session } = this
      const outcome = await session
        .attempt(source, seen, signal, journey.lookFor)
        .catch((failure: unknown) => {
          // Somebody typed longer than a socket stays open: begin anew with what was typed.
          if (failure instanceof Refused && failure.refusal.code === UNREACHABLE.code) return null
          throw failure
        })
      if (outcome !== null) return { sessionId: session.sessionId, firstFrameAt, outcome: this.noted(outcome) }
    }
    return this.reconnecting(signal, async () => {
      const session = await this.begun(journey, signal)
      const outcome = await session.attempt(source, seen, signal)
      return { sessionId: session.sessionId, firstFrameAt, outcome: this.noted(outcome) }
    })
  }

  /** A lost connection is tried again for a while with the same consent and the same camera. */
  private async reconnecting<Value>(
    signal: AbortSignal,
    attempt: () => Promise<Value>,
  ): Promise<Value> {
    let lostAt: number | null = null
    for (;;) {
      try {
        return await attempt()
      } catch (failure) {
        signal.throwIfAborted()
        lostAt ??= this.now()
        const lost = failure instanceof Refused && failure.refusal.code === UNREACHABLE.code
        if (!lost || this.now() - lostAt > RECONNECT_MS_MAX) throw failure
        this.hints.take('network', performance.now())
        this.view.live = { ...this.view.live, hint: 'network', prompt: null, deciding: false }
        this.voice.hint(this.failures.get('network')?.clip ?? 'scan.network')
        await new Promise((done) => setTimeout(done, RECONNECT_PAUSE_MS))
        signal.throwIfAborted()
      }
    }
  }

  private async begun(journey: Journey, signal: AbortSignal): Promise<CaptureSession> {
    this.closeSession()
    const session = await this.captures().begin({
      scene: SCENE_OF[journey.task],
      notice_version: this.view.notice?.version ?? '',
      consents: [...journey.ticks],
      look_for: journey.lookFor,
      amount_max_fen: journey.task === 'pay' ? PAYS_FEN_MAX : 0,
    })
    if (signal.aborted) session.close()
    signal.throwIfAborted()
    this.session = session
    return session
  }

  private noted(outcome: Outcome): Outcome {
    this.view.live = { ...this.view.live, deciding: false }
    if (outcome.kind === 'refused') this.device.refused(new Refused(outcome.refusal))
    return outcome
  }

  private show(sight: Sight): void {
    const hint = this.hints.take(sight.hint, performance.now())
    const side = hint === 'off_centre' ? sideToMove(sight.box, FRAME_WIDTH) : null
    const { prompt, progress } = sight
    const graver = prompt !== null && sight.hint !== null
    this.view.live = {
      ...this.view.live,
      hint: prompt === null || graver ? hint : null,
      side,
      prompt,
      progress,
      deciding: progress >= 1,
    }
    this.speakSight(hint, side, prompt)
  }

  private speakSight(
    hint: HintCode | null,
    side: LiveView['side'],
    prompt: Sight['prompt'],
  ): void {
    if (prompt !== null && hint === null) this.voice.hint(`kiosk.turn_${prompt}`)
    else if (hint === 'hold_still') this.voice.hint('kiosk.hold_still')
    else if (side !== null) this.voice.hint(`kiosk.move_${side}`)
    else if (hint !== null) this.voice.hint(this.failures.get(hint)?.clip ?? `scan.${hint}`)
  }

  private scanFailed(failure: unknown): void {
    if (!(failure instanceof Refused)) return this.go({ type: 'failed', refusal: NOT_UNDERSTOOD })
    if (failure.refusal === NO_CAMERA_NOBODY) return this.go({ type: 'gone' })
    if (failure.refusal.code === NO_CAMERA.code) {
      this.device.cameraGave(false)
      void this.device.beat()
    }
    this.device.refused(failure)
    this.go({ type: 'failed', refusal: failure.refusal })
  }

  private captures(): CaptureClient {
    const { claim } = this.device
    return new CaptureClient(
      this.parts.client,
      this.signer(),
      claim,
      this.parts.streamOrigin + STREAM_PATH,
    )
  }

  private signer(): Signer {
    const { signer } = this.device
    if (signer === null) throw new Refused(UNREACHABLE)
    return signer
  }

  private stopCamera(): void {
    this.running?.abort()
    this.running = null
    this.view.live = nothingLive()
  }

  private closeSession(): void {
    this.session?.close()
    this.session = null
  }

  // --- words, help, upkeep ---------------------------------------------------------------------

  private async loadWords(): Promise<void> {
    const answer = await get<Schemas['FailuresAnswer']>(FAILURES_PATH).catch(() => null)
    for (const failure of answer?.failures ?? []) this.failures.set(failure.code, failure)
    for (const [code, told] of Object.entries(answer?.of_standing ?? {})) this.standings.set(code, told)
  }

  private async loadNotice(journey: Journey | null): Promise<void> {
    const { signer, claim } = this.device
    if (this.view.notice !== null || signer === null) return
    const scene = SCENE_OF[journey?.task ?? 'matters']
    try {
      const body = { scene, claim }
      this.view.notice = await this.parts.client.post<Notice>(NOTICE_PATH, body, signer)
      if (this.view.state.at === 'notice') this.speak(this.view.state)
    } catch (failure) {
      this.device.refused(failure)
      this.go({ type: 'failed', refusal: refusalIn(failure) })
    }
  }

  private async ring(): Promise<void> {
    const bell = new Bell(this.hospital, (help) => {
      if (this.bell === bell) this.go({ type: 'helped', help })
    })
    this.bell = bell
    await bell.ring()
  }

  private stood(): void {
    this.view.standing = this.device.standing
    if (CLOSED.has(this.device.standing)) this.go({ type: 'gone' })
    if (this.device.standing === 'offline' && this.failures.size === 0) void this.loadWords()
  }

  private scheduleBeat(): void {
    clearTimeout(this.beatTimer)
    this.beatTimer = setTimeout(() => {
      void this.device.beat().then(() => {
        // A new wording may be in force: it is asked for again when it is needed next.
        if (this.view.state.at === 'asleep') this.view.notice = null
        if (this.failures.size === 0) void this.loadWords()
        this.scheduleBeat()
      })
    }, this.device.nextBeatMs)
  }

  private tick(): void {
    if (this.view.state.at === 'asleep') {
      this.idle.touch()
      return
    }
    const { state } = this.idle
    this.view.asking = state === 'asking' ? this.idle.secondsLeft : null
    if (state === 'over') this.go({ type: 'gone' })
  }
}

/** Nobody stands there: the page goes back to sleep, which is no failure. */
const NO_CAMERA_NOBODY: Refusal = { ...NO_CAMERA, code: 'kiosk.nobody', told: null }

function refusalIn(failure: unknown): Refusal {
  return failure instanceof Refused ? failure.refusal : NOT_UNDERSTOOD
}

/** The journey whose errand goes on: on its own page, or on one from which one comes back to it. */
function taskOf(state: State): Journey | null {
  if (state.at === 'help' || state.at === 'safety') return taskOf(state.back)
  return state.at === 'task' ? state.journey : null
}

/** The business day: hospitals and insurers count in China's time, whatever this machine does. */
function today(): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Shanghai' }).format(new Date())
}

function helpChanged(before: State, after: State): boolean {
  return before.at === 'help' && after.at === 'help' && before.help.state !== after.help.state
}

/** A scan that goes on with the same socket. */
function sameScan(before: State, after: State): boolean {
  return before.at === 'scan' && after.at === 'scan'
}
