/**
 * What somebody came for, once it is known who they are: each errand asks the hospital and says
 * what stands on the screen. It outlives the page that shows it, so that a look at the help page
 * or a lost network changes nothing of it.
 *
 * Every command has its number before it is sent and is sent again with the same number until it
 * is answered: whatever was lost on the way, it is done once.
 */

import { shallowRef, type ShallowRef } from 'vue'
import { newIdentifier } from '../terminal/bytes'
import { NOT_UNDERSTOOD, Refused, UNREACHABLE, type Refusal } from '../terminal/refusal'
import type { Money, Shown } from './flow'
import type { Appointment, Bill, Choice, Collected, Evidence, Hospital, Look, Offer, Payment, Ready, Registration, Session } from './hospital'
import { ByShown, type Presence } from './presence'

/** Between a question that got lost and the same question again. */
export const PAUSE_MS = 2_000
/** So long an outcome is waited for; afterwards the hospital itself ends what was sent. */
export const PATIENCE_MS = 180_000

export interface Waiting {
  at: 'waiting'
  /** Whether money may be moving: then the words are other ones. */
  money: boolean
  lost: boolean
}

export interface ErrandParts {
  hospital: Hospital
  presence: Presence
  /** Whose it is, masked, for what is printed; empty where a code or a card was shown. */
  who: string
  /** The relative for whom somebody came, masked; null where for themselves. */
  patient: string | null
  /** Something new stands on the screen. */
  changed: () => void
  failed: (refusal: Refusal, money: Money) => void
  pause?: (ms: number) => Promise<void>
  now?: () => number
}

export type RegisteringView = { at: 'registered'; visit: Registration; session: Session }
export type BookingView = { at: 'booked'; appointment: Appointment; moved: boolean }
export type OwnBookingsView =
  | { at: 'own'; booked: readonly Appointment[] }
  | { at: 'none' }
  | { at: 'sure'; appointment: Appointment }
  | { at: 'cancelled'; appointment: Appointment }
export type CheckingInView =
  | { at: 'appointments'; today: readonly Appointment[] }
  | { at: 'none'; next: Appointment | null }
  | { at: 'checkedin'; visit: Registration; appointment: Appointment }
export type PayingView =
  | { at: 'bills'; bills: readonly Bill[] }
  | { at: 'none' }
  | { at: 'slip'; payment: Payment | null; slipNo: string }
  | { at: 'bill'; bill: Bill; payment: Payment; offer: Offer | null; why: Refusal | null }
  | { at: 'pin'; payment: Payment; wrong: Refusal | null }
  | { at: 'code'; payment: Payment }
  | { at: 'paid'; payment: Payment; more: boolean }
export type ReportingView =
  | { at: 'none' }
  | { at: 'reports'; ready: readonly Ready[]; collected: readonly Collected[] }
  | { at: 'report'; ready: Ready; collected: Collected }

export type LookingView = { at: 'looks'; looks: readonly Look[] }

export abstract class Errand<View extends { at: string }> {
  readonly view: ShallowRef<View | Waiting>
  private ended = false
  private begun = false

  constructor(protected readonly parts: ErrandParts) {
    this.view = shallowRef({ at: 'waiting', money: false, lost: false })
  }

  get patient(): string | null {
    return this.parts.patient
  }

  /** Begin, once. */
  start(): void {
    if (this.begun) return
    this.begun = true
    void this.doing(() => this.first())
  }

  /** The person has gone: nothing is asked any more, and nothing is shown. */
  end(): void {
    this.ended = true
  }

  protected abstract first(): Promise<View>

  /** What is known of money when this errand fails; null where it moves none. */
  protected moneyAfter(_: Refusal): Money {
    return null
  }

  protected async doing(act: () => Promise<View>, money = false): Promise<void> {
    this.show({ at: 'waiting', money, lost: false })
    try {
      this.show(await act())
    } catch (failure) {
      const refusal = failure instanceof Refused ? failure.refusal : NOT_UNDERSTOOD
      if (!this.ended) this.parts.failed(refusal, this.moneyAfter(refusal))
    }
  }

  protected show(view: View | Waiting): void {
    if (this.ended) return
    this.view.value = view
    this.parts.changed()
  }

  /** Ask the hospital by what the person showed, until there is an answer. */
  protected async showing<Answer>(ask: (evidence: Evidence) => Promise<Answer>): Promise<Answer> {
    const evidence = await this.parts.presence.evidence()
    return this.persistently(() => ask(evidence))
  }

  /** What the person has booked and not used; nothing where there is no record. */
  protected async booked(): Promise<readonly Appointment[]> {
    const own = await this.showing((evidence) => this.parts.hospital.appointments(evidence)).catch(noRecord)
    return own.filter((each) => each.state === 'booked')
  }

  /** Ask until there is an answer; a lost or undecided one is asked for again by the same number. */
  protected async persistently<Answer>(ask: () => Promise<Answer>, money = false): Promise<Answer> {
    const { pause = wait, now = Date.now } = this.parts
    const since = now()
    for (;;) {
      try {
        return await ask()
      } catch (failure) {
        const over = this.ended || now() - since > PATIENCE_MS
        if (over || !isOpen(failure)) throw failure
        this.show({ at: 'waiting', money, lost: isLost(failure) })
        await pause(PAUSE_MS)
      }
    }
  }
}

export class Registering extends Errand<RegisteringView> {
  private readonly command = newIdentifier()

  constructor(parts: ErrandParts, private readonly choice: Choice) {
    super(parts)
  }

  protected async first(): Promise<RegisteringView> {
    const { hospital } = this.parts
    // The record is opened with it, where there is none: no field is typed.
    const visit = await this.showing((evidence) => hospital.register(this.command, this.choice, evidence))
    return { at: 'registered', visit, session: this.choice.session }
  }
}

export class Booking extends Errand<BookingView> {
  private readonly command = newIdentifier()

  /** With the number of a booking that is moved to the chosen time instead. */
  constructor(
    parts: ErrandParts,
    private readonly choice: Choice,
    private readonly moving: string | null = null,
  ) {
    super(parts)
  }

  protected async first(): Promise<BookingView> {
    const { hospital } = this.parts
    const { command, choice, moving } = this
    const appointment = await this.showing((evidence) =>
      moving === null ? hospital.book(command, choice, evidence) : hospital.move(command, moving, choice, evidence),
    )
    return { at: 'booked', appointment, moved: moving !== null }
  }
}

/** What somebody has booked: each can be given back here; another time is chosen as for a new one. */
export class OwnBookings extends Errand<OwnBookingsView> {
  private own: readonly Appointment[] = []

  /** Whether it is really meant is asked once. */
  ask(appointment: Appointment): void {
    this.show({ at: 'sure', appointment })
  }

  keep(): void {
    this.show({ at: 'own', booked: this.own })
  }

  cancel(appointment: Appointment): void {
    const command = newIdentifier()
    void this.doing(async () => {
      const { hospital } = this.parts
      await this.showing((evidence) => hospital.cancel(command, appointment.appointment_no, evidence))
      return { at: 'cancelled', appointment }
    })
  }

  protected async first(): Promise<OwnBookingsView> {
    this.own = [...(await this.booked())].sort(byTime)
    return this.own.length === 0 ? { at: 'none' } : { at: 'own', booked: this.own }
  }
}

export class CheckingIn extends Errand<CheckingInView> {
  private readonly command = newIdentifier()

  constructor(parts: ErrandParts, private readonly today: () => string) {
    super(parts)
  }

  choose(appointment: Appointment): void {
    void this.doing(() => this.checkIn(appointment))
  }

  /** Somebody with one appointment of today is asked nothing. */
  protected async first(): Promise<CheckingInView> {
    const booked = await this.booked()
    const today = booked.filter((each) => each.day === this.today())
    const [only] = today
    if (only === undefined) return { at: 'none', next: soonest(booked) }
    return today.length > 1 ? { at: 'appointments', today } : this.checkIn(only)
  }

  private async checkIn(appointment: Appointment): Promise<CheckingInView> {
    const { hospital } = this.parts
    const number = appointment.appointment_no
    const visit = await this.showing((evidence) => hospital.checkIn(this.command, number, evidence))
    return { at: 'checkedin', visit, appointment }
  }
}

const UNDER_WAY = 'hospital.payment_in_progress'
const PIN_AGAIN = new Set(['insurer.pin_wrong', 'insurer.pin_busy', 'insurer.pin_malformed'])
/** What keeps a face from paying here and leaves the window open. */
const PAYS_ELSEWHERE = new Set([
  'insurer.pin_not_set',
  'insurer.pin_locked',
  'insurer.pin_paused',
  'insurer.pin_too_new',
  'verification.face_alone',
  'verification.payment_held',
  'verification.degraded_limit',
  'verification.amount_over_begun',
  'terminals.amount_over_limit',
])

export class Paying extends Errand<PayingView> {
  private bills: readonly Bill[] = []
  private bill: Bill | null = null
  private offer: Offer | null = null
  private sent = false

  /** Which of several visits is paid. */
  choose(bill: Bill): void {
    void this.doing(() => this.shown(bill))
  }

  /** The split was confirmed: now the person confirms who they are. */
  confirm(payment: Payment): void {
    switch (this.parts.presence.kind) {
      case 'face':
        return this.show({ at: 'pin', payment, wrong: null })
      case 'code':
        return this.show({ at: 'code', payment })
      case 'card':
        return void this.doing(() => this.settled(payment, null), true)
    }
  }

  pin(payment: Payment, pin: string): void {
    void this.doing(() => this.settled(payment, pin), true)
  }

  code(payment: Payment, shown: Shown): void {
    const { presence } = this.parts
    if (presence instanceof ByShown) presence.again(shown)
    void this.doing(() => this.settled(payment, null), true)
  }

  /** Back to the bill, before anything was sent. */
  edit(payment: Payment): void {
    if (this.bill !== null) this.show(this.billed(this.bill, payment))
  }

  /** To the window with a slip; moves nothing. */
  reserve(payment: Payment): void {
    const { hospital } = this.parts
    void this.doing(async () => {
      const reserved = await this.persistently(() => hospital.reserve(payment.command_id))
      return { at: 'slip', payment: reserved, slipNo: reserved.slip_no ?? '' }
    })
  }

  protected async first(): Promise<PayingView> {
    const { hospital, presence } = this.parts
    const found = await this.persistently(() => hospital.bills(presence.whose()))
    this.bills = found.filter((each) => each.payable || each.under_way)
    const [only] = this.bills
    if (only === undefined) return { at: 'none' }
    return this.bills.length > 1 ? { at: 'bills', bills: this.bills } : this.shown(only)
  }

  /** A refusal is told before anything moved; without an answer nobody here knows. */
  protected override moneyAfter(refusal: Refusal): Money {
    // Another page, or this one before its power was cut, has confirmed it already.
    if (refusal.code === UNDER_WAY) return 'open'
    const open = refusal.finality === 'unknown' || refusal.code === UNREACHABLE.code
    return this.sent && open ? 'open' : 'untouched'
  }

  private async shown(bill: Bill): Promise<PayingView> {
    const { hospital } = this.parts
    if (bill.under_way) throw new Refused({ ...NOT_UNDERSTOOD, code: UNDER_WAY })
    if (bill.slip_no !== null) return { at: 'slip', payment: null, slipNo: bill.slip_no }
    const command = newIdentifier()
    const payment = await this.persistently(() => hospital.prepare(command, bill.encounter_no))
    this.bill = bill
    const due = payment.shown.psn_cash_pay
    // Without an account the own share is paid at the window; that is no failure.
    this.offer = due === 0 ? null : await hospital.offer(command).catch(nothing)
    return this.billed(bill, payment)
  }

  private billed(bill: Bill, payment: Payment, why: Refusal | null = null): PayingView {
    return { at: 'bill', bill, payment, offer: this.offer, why }
  }

  private async settled(payment: Payment, pin: string | null): Promise<PayingView> {
    const { hospital, presence } = this.parts
    const { command_id, intent_id, amount_max_fen, shown } = payment
    let evidence
    try {
      const asked = { intentId: intent_id, amountMaxFen: amount_max_fen, pin }
      evidence = await this.persistently(() => presence.evidence(asked))
    } catch (failure) {
      return this.notConfirmed(payment, failure)
    }
    this.sent = true
    const paid = await this.persistently(() => hospital.settle(command_id, evidence, shown.psn_cash_pay), true)
    if (!paid.done) throw new Refused(NOT_UNDERSTOOD)
    return { at: 'paid', payment: paid, more: this.bills.length > 1 }
  }

  /** Nothing was sent to the hospital yet, so nothing was charged. */
  private notConfirmed(payment: Payment, failure: unknown): PayingView {
    if (!(failure instanceof Refused) || this.bill === null) throw failure
    const { refusal } = failure
    if (PIN_AGAIN.has(refusal.code)) return { at: 'pin', payment, wrong: refusal }
    if (PAYS_ELSEWHERE.has(refusal.code)) return this.billed(this.bill, payment, refusal)
    throw failure
  }
}

export class Reporting extends Errand<ReportingView> {
  get who(): string {
    return this.parts.who
  }

  private ready: readonly Ready[] = []
  private readonly taken = new Map<string, { command: string; collected: Collected | null }>()

  open(ready: Ready): void {
    void this.doing(async () => ({ at: 'report', ready, collected: await this.collected(ready) }))
  }

  list(): void {
    this.show(this.listed())
  }

  protected async first(): Promise<ReportingView> {
    this.ready = await this.showing((evidence) => this.parts.hospital.reports(evidence))
    const [only] = this.ready
    if (only === undefined) return { at: 'none' }
    if (this.ready.length > 1) return this.listed()
    return { at: 'report', ready: only, collected: await this.collected(only) }
  }

  private async collected(ready: Ready): Promise<Collected> {
    const { hospital, presence } = this.parts
    const evidence = await presence.evidence()
    const taken = this.taken.get(ready.order_no) ?? { command: newIdentifier(), collected: null }
    this.taken.set(ready.order_no, taken)
    taken.collected ??= await this.persistently(() => hospital.collect(taken.command, ready.order_no, evidence))
    return taken.collected
  }

  private listed(): ReportingView {
    const collected = [...this.taken.values()].flatMap((each) => each.collected ?? [])
    return { at: 'reports', ready: this.ready, collected }
  }
}

/** Who looked at the own record. */
export class Looking extends Errand<LookingView> {
  protected async first(): Promise<LookingView> {
    return { at: 'looks', looks: await this.showing((evidence) => this.parts.hospital.looks(evidence)) }
  }
}

/** Whether it is not known what came of it: it was lost, or the other end says so itself. */
function isOpen(failure: unknown): boolean {
  return failure instanceof Refused && (isLost(failure) || failure.refusal.finality === 'unknown')
}

function isLost(failure: unknown): boolean {
  return failure instanceof Refused && failure.refusal.code === UNREACHABLE.code
}

function noRecord(failure: unknown): readonly Appointment[] {
  if (failure instanceof Refused && failure.refusal.code === 'hospital.record_not_found') return []
  throw failure
}

function byTime(one: Appointment, other: Appointment): number {
  return one.begins_at.localeCompare(other.begins_at)
}

function soonest(booked: readonly Appointment[]): Appointment | null {
  const [first] = [...booked].sort(byTime)
  return first ?? null
}

function nothing(failure: unknown): null {
  if (failure instanceof Refused) return null
  throw failure
}

function wait(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
