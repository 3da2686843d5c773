/** Errands over a hospital that loses questions, loses answers, and counts what it did. */

import { expect, test } from 'vitest'
import { APPOINTMENT, BILL, COLLECTED, LOOKS, PAYMENT, READY, SESSION, VISIT } from '../gallery/samples'
import { Refused, refusalOf, UNREACHABLE, type Refusal } from '../terminal/refusal'
import type { Client } from '../terminal/requests'
import { Booking, CheckingIn, Looking, OwnBookings, Paying, PATIENCE_MS, Registering, Reporting, type ErrandParts } from './errands'
import type { Money } from './flow'
import { Hospital, HOSPITAL_PREFIX, type Evidence } from './hospital'
import type { Asked, Presence } from './presence'

type Fault = 'lost before' | 'lost after' | Refusal
type Body = Record<string, unknown>

const words = { zh: '不', en: 'no' }
const refusal = (code: string, finality: string): Refusal =>
  refusalOf({ code, message: words, next: words, helper: 'self', finality })

/** Answers by path; a command that it did before is answered as the first time and done once. */
class Desk implements Client {
  readonly asked: string[] = []
  readonly done: string[] = []
  private readonly faults = new Map<string, Fault[]>()
  private readonly answered = new Map<string, unknown>()

  constructor(private readonly answers: Record<string, unknown>) {}

  goesWrong(path: string, ...faults: Fault[]): this {
    this.faults.set(path, faults)
    return this
  }

  async post<Answer>(path: string, body: unknown): Promise<Answer> {
    const name = path.slice(HOSPITAL_PREFIX.length)
    this.asked.push(name)
    const fault = this.faults.get(name)?.shift()
    if (fault === 'lost before') throw new Refused(UNREACHABLE)
    if (fault !== undefined && fault !== 'lost after') throw new Refused(fault)
    const answer = this.carriedOut(name, (body as Body)['command_id'])
    if (fault === 'lost after') throw new Refused(UNREACHABLE)
    return answer as Answer
  }

  private carriedOut(name: string, command: unknown): unknown {
    const key = `${name} ${String(command)}`
    if (!this.answered.has(key)) {
      this.answered.set(key, this.answers[name])
      this.done.push(name)
    }
    return this.answered.get(key)
  }
}

class Somebody implements Presence {
  readonly kind = 'face'
  readonly asked: Asked[] = []
  refuses: Refusal | null = null

  whose(): { session_id: string; beneficiary: null } {
    return { session_id: 's', beneficiary: null }
  }

  async evidence(asked?: Asked): Promise<Evidence> {
    if (asked !== undefined) this.asked.push(asked)
    if (this.refuses !== null) throw new Refused(this.refuses)
    return { kind: 'face', auth_no: 'a', intent_id: asked?.intentId ?? 'i', scene: '01301', first_frame_at: '2026-11-29T00:00:00Z', relation: 'self' }
  }
}

interface Told {
  refusal: Refusal
  money: Money
}

function stage(answers: Record<string, unknown>) {
  const desk = new Desk(answers)
  const somebody = new Somebody()
  const failed: Told[] = []
  let now = 0
  const parts: ErrandParts = {
    hospital: new Hospital(desk, () => ({}) as never),
    presence: somebody,
    who: '张*例',
    patient: null,
    changed: () => {},
    failed: (told, money) => failed.push({ refusal: told, money }),
    pause: async (ms) => {
      now += ms
    },
    now: () => now,
  }
  return { desk, somebody, failed, parts }
}

/** Until whatever was begun has ended. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 400; turn += 1) await Promise.resolve()
}

const DONE = { ...PAYMENT, state: 'settled', done: true, settled: PAYMENT.shown }
const PAYABLE = {
  'bills/open': [BILL],
  'payments/prepare': PAYMENT,
  'payments/offer': { last_four: '1234' },
  'payments/settle': DONE,
  'payments/reserve': { ...PAYMENT, slip_no: '4821-0937-55' },
}

async function paying(change: (desk: Desk) => void = () => {}, answers: Record<string, unknown> = PAYABLE) {
  const found = stage(answers)
  change(found.desk)
  const errand = new Paying(found.parts)
  errand.start()
  await settled()
  return { ...found, errand }
}

function pay(errand: Paying): void {
  errand.confirm(PAYMENT)
  errand.pin(PAYMENT, '135790')
}

test('the bill is shown before anything is confirmed, and the PIN joins the face', async () => {
  const { errand, somebody, desk } = await paying()
  expect(errand.view.value).toMatchObject({ at: 'bill', offer: { last_four: '1234' } })
  expect(somebody.asked).toEqual([])
  pay(errand)
  await settled()

  expect(somebody.asked).toEqual([{ intentId: PAYMENT.intent_id, amountMaxFen: PAYMENT.amount_max_fen, pin: '135790' }])
  expect(errand.view.value.at).toBe('paid')
  expect(desk.done.filter((each) => each === 'payments/settle')).toHaveLength(1)
})

test.each<[string, Fault[]]>([
  ['a lost question', ['lost before']],
  ['a lost answer', ['lost after']],
  ['a network that goes and comes', ['lost before', 'lost after', 'lost before']],
  ['an outcome that nobody knows yet', [refusal('hospital.outcome_unknown', 'unknown'), refusal('hospital.wallet_outcome_unknown', 'unknown')]],
])('after %s it is paid once', async (_, faults) => {
  const { errand, desk, failed } = await paying((each) => each.goesWrong('payments/settle', ...faults))
  pay(errand)
  await settled()

  expect(errand.view.value.at).toBe('paid')
  expect(desk.asked.filter((each) => each === 'payments/settle')).toHaveLength(faults.length + 1)
  expect(desk.done.filter((each) => each === 'payments/settle')).toHaveLength(1)
  expect(failed).toEqual([])
})

test('without an answer nobody is told that it was not charged', async () => {
  const silence = Array.from({ length: PATIENCE_MS / 1_000 }, (): Fault => 'lost before')
  const { errand, failed } = await paying((each) => each.goesWrong('payments/settle', ...silence))
  pay(errand)
  await settled()
  await settled()

  expect(failed.map((each) => each.money)).toEqual(['open'])
})

test('a refusal for good says that nothing was charged', async () => {
  const { errand, failed } = await paying((each) => each.goesWrong('payments/settle', refusal('hospital.bill_changed', 'final')))
  pay(errand)
  await settled()

  expect(failed.map((each) => each.money)).toEqual(['untouched'])
})

test('a wrong PIN is asked for again and nothing was sent', async () => {
  const { errand, somebody, desk } = await paying()
  somebody.refuses = refusal('insurer.pin_wrong', 'final')
  pay(errand)
  await settled()

  expect(errand.view.value).toMatchObject({ at: 'pin', wrong: { code: 'insurer.pin_wrong' } })
  expect(desk.asked).not.toContain('payments/settle')
})

test.each(['insurer.pin_not_set', 'insurer.pin_locked', 'verification.face_alone', 'terminals.amount_over_limit'])(
  'after %s the bill stands there again, and the window is left',
  async (code) => {
    const { errand, somebody } = await paying()
    somebody.refuses = refusal(code, 'final')
    pay(errand)
    await settled()
    expect(errand.view.value).toMatchObject({ at: 'bill', why: { code } })
    errand.reserve(PAYMENT)
    await settled()

    expect(errand.view.value).toMatchObject({ at: 'slip', slipNo: '4821-0937-55' })
  },
)

test('nothing to pay is an answer, and several visits are chosen from', async () => {
  expect((await paying(undefined, { ...PAYABLE, 'bills/open': [] })).errand.view.value.at).toBe('none')
  const two = [BILL, { ...BILL, encounter_no: 'E2' }]

  expect((await paying(undefined, { ...PAYABLE, 'bills/open': two })).errand.view.value.at).toBe('bills')
})

test('a bill whose payment has no outcome yet is not paid again, and nobody says that it was not charged', async () => {
  const { desk, failed } = await paying(undefined, { ...PAYABLE, 'bills/open': [{ ...BILL, under_way: true }] })

  expect(failed).toMatchObject([{ refusal: { code: 'hospital.payment_in_progress' }, money: 'open' }])
  expect(desk.asked).toEqual(['bills/open'])
})

test('a bill that waits at the window shows its slip again', async () => {
  const bills = [{ ...BILL, slip_no: '1111-2222-33' }]

  expect((await paying(undefined, { ...PAYABLE, 'bills/open': bills })).errand.view.value).toMatchObject({ at: 'slip', slipNo: '1111-2222-33' })
})

test('what is booked is listed, the soonest first, and what was missed or given back is not', async () => {
  const later = { ...APPOINTMENT, appointment_no: 'A2', begins_at: '2099-01-02T01:00:00Z', state: 'booked' }
  const sooner = { ...APPOINTMENT, appointment_no: 'A3', begins_at: '2099-01-01T01:00:00Z', state: 'booked' }
  const own = [later, { ...APPOINTMENT, state: 'cancelled' }, sooner]
  const errand = new OwnBookings(stage({ 'scheduling/own': own }).parts)
  errand.start()
  await settled()

  expect(errand.view.value).toEqual({ at: 'own', booked: [sooner, later] })
})

test('a booking is given back after it was asked, once, however often the answer was lost', async () => {
  const booked = { ...APPOINTMENT, state: 'booked' as const }
  const { desk, parts } = stage({ 'scheduling/own': [booked], 'scheduling/cancel': { ...booked, state: 'cancelled' } })
  desk.goesWrong('scheduling/cancel', 'lost after', 'lost before')
  const errand = new OwnBookings(parts)
  errand.start()
  await settled()
  errand.ask(booked)
  errand.keep()
  expect(errand.view.value.at).toBe('own')
  expect(desk.done).not.toContain('scheduling/cancel')
  errand.ask(booked)
  errand.cancel(booked)
  await settled()

  expect(errand.view.value).toEqual({ at: 'cancelled', appointment: booked })
  expect(desk.done.filter((each) => each === 'scheduling/cancel')).toHaveLength(1)
})

test('somebody without a record has nothing booked', async () => {
  const { desk, parts } = stage({})
  desk.goesWrong('scheduling/own', refusal('hospital.record_not_found', 'final'))
  const errand = new OwnBookings(parts)
  errand.start()
  await settled()

  expect(errand.view.value.at).toBe('none')
})

test('another time for a booking moves it and books nothing', async () => {
  const { desk, parts } = stage({ 'scheduling/move': APPOINTMENT })
  const errand = new Booking(parts, { session: SESSION, slotNo: 2 }, APPOINTMENT.appointment_no)
  errand.start()
  await settled()

  expect(errand.view.value).toEqual({ at: 'booked', appointment: APPOINTMENT, moved: true })
  expect(desk.asked).toEqual(['scheduling/move'])
})

test('a registration whose answer was lost is one registration', async () => {
  const { desk, parts } = stage({ 'scheduling/register': VISIT })
  desk.goesWrong('scheduling/register', 'lost after', 'lost before')
  const errand = new Registering(parts, { session: SESSION, slotNo: null })
  errand.start()
  errand.start()
  await settled()

  expect(errand.view.value).toMatchObject({ at: 'registered', visit: { queue_no: 'A036' } })
  expect(desk.done).toEqual(['scheduling/register'])
})

test('one appointment of today is taken at once, of two one is chosen, none says when the next is', async () => {
  const checkingIn = async (own: unknown) => {
    const { parts } = stage({ 'scheduling/own': own, 'scheduling/check-in': VISIT })
    const errand = new CheckingIn(parts, () => APPOINTMENT.day)
    errand.start()
    await settled()
    return errand
  }
  const other = { ...APPOINTMENT, appointment_no: 'A2' }

  expect((await checkingIn([APPOINTMENT])).view.value.at).toBe('checkedin')
  const two = await checkingIn([APPOINTMENT, other, { ...other, state: 'cancelled' }])
  expect(two.view.value).toMatchObject({ at: 'appointments', today: [APPOINTMENT, other] })
  two.choose(other)
  await settled()
  expect(two.view.value).toMatchObject({ at: 'checkedin', appointment: other })
  const later = { ...APPOINTMENT, day: '2027-01-01' }
  expect((await checkingIn([later])).view.value).toMatchObject({ at: 'none', next: later })
})

test('somebody without a record has no appointment, which is no failure', async () => {
  const { desk, parts, failed } = stage({})
  desk.goesWrong('scheduling/own', refusal('hospital.record_not_found', 'final'))
  const errand = new CheckingIn(parts, () => APPOINTMENT.day)
  errand.start()
  await settled()

  expect(errand.view.value).toMatchObject({ at: 'none', next: null })
  expect(failed).toEqual([])
})

test('a report that is opened twice is collected once', async () => {
  const { desk, parts } = stage({ 'reports/list': READY, 'reports/collect': COLLECTED })
  const errand = new Reporting(parts)
  errand.start()
  await settled()
  expect(errand.view.value.at).toBe('reports')
  const [first] = READY
  for (const ready of [first, first]) {
    if (ready !== undefined) errand.open(ready)
    await settled()
  }
  expect(errand.view.value).toMatchObject({ at: 'report', collected: COLLECTED })
  errand.list()

  expect(errand.view.value).toMatchObject({ at: 'reports', collected: [COLLECTED] })
  expect(desk.done.filter((each) => each === 'reports/collect')).toHaveLength(1)
})

test('who looked at the record is asked again until it is known, and shown', async () => {
  const { desk, parts } = stage({ 'records/looks': LOOKS })
  desk.goesWrong('records/looks', 'lost before')
  const errand = new Looking(parts)
  errand.start()
  await settled()

  expect(errand.view.value).toEqual({ at: 'looks', looks: LOOKS })
})

test('whoever has gone is shown nothing any more', async () => {
  const { errand } = await paying()
  const before = errand.view.value
  errand.end()
  pay(errand)
  await settled()

  expect(errand.view.value).toBe(before)
})
