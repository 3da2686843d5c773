/**
 * The kiosk as a state machine: where somebody stands, and where each touch or answer leads.
 *
 * Pure: nothing here knows a page, a camera or the network. Everything that is known of a person
 * lies in the journey, and a state without a journey knows nobody: to clear is to leave.
 */

import type { LookFor, Outcome, Person, Purpose, Relative, ResultMessage, Scene } from '../terminal/capture'
import type { Refusal, Words } from '../terminal/refusal'
import type { Choice, Department, Session } from './hospital'

export const TASKS = [
  'register',
  'checkin',
  'book',
  'pay',
  'report',
  'activate',
  'record',
  'admit',
  'family',
  'matters',
] as const
export type Task = (typeof TASKS)[number]

/** 用码业务类型 of each task; own matters with the insurer have a scene of their own. */
export const SCENE_OF: Readonly<Record<Task, Scene>> = {
  register: '01101',
  checkin: '01101',
  book: '01101',
  pay: '01301',
  report: '01303',
  activate: '09001',
  record: '01101',
  admit: '01103',
  family: '09001',
  matters: '09001',
}

/** How somebody shows who they are; a typed number is no proof and leads to the face. */
export type Way = 'face' | 'code' | 'card' | 'number'
export const WAYS: readonly Way[] = ['face', 'code', 'card', 'number']

/** Tasks about the face itself, which no card can do at a terminal: a window does them instead. */
export const FACE_ONLY: ReadonlySet<Task> = new Set(['activate', 'matters', 'family'])

/** What is chosen before anybody is asked who they are: a proof waits for nobody. */
const CHOSEN_FIRST: ReadonlySet<Task> = new Set(['register', 'book'])

/** What the hospital does for a relative on the holder's scan; everything else is for oneself. */
const FOR_OTHERS: ReadonlySet<Task> = new Set(['register', 'book', 'checkin', 'pay', 'report'])

/** What the hospital must offer at this terminal for a task to be there; the rest is the insurer's. */
export const NEEDS: Readonly<Partial<Record<Task, string>>> = {
  register: 'scheduling',
  checkin: 'scheduling',
  book: 'scheduling',
  pay: 'bills',
  report: 'reports',
  record: 'records',
}
/** Tasks for which this page has screens. */
const DONE_HERE: ReadonlySet<Task> = new Set(['register', 'checkin', 'book', 'pay', 'report', 'activate', 'record', 'matters'])

/** What can be done at this terminal: what the listener names, and for what the place is meant. */
export function tasksOf(subjects: readonly string[], scenes: readonly string[]): readonly Task[] {
  return TASKS.filter((task) => {
    const needed = NEEDS[task]
    const offered = needed === undefined || (subjects.includes(needed) && scenes.includes(SCENE_OF[task]))
    return DONE_HERE.has(task) && offered
  })
}

/** The most that a face may pay at a browser terminal; liveness is asked for by it beforehand. */
export const PAYS_FEN_MAX = 100_000

export const FAILURES_MAX = 3
/** After so many failures nobody is asked to try the face again. */

export interface Journey {
  task: Task
  /** Ticks of the notice; none is set beforehand. */
  ticks: readonly Purpose[]
  lookFor: LookFor
  /** Whether a socket of this journey still takes another attempt. */
  live: boolean
  /** Of scans: each is a new one, even with the same words, and whoever runs it must notice. */
  attempt: number
  failures: number
  found: Found | null
  beneficiary: Relative | null
  /** Doctor and time, chosen before the scan. */
  choice: Choice | null
  /** Number of the booking that is moved to the choice; none where something new is booked. */
  moving: string | null
}

/** Who was found, masked, as the server tells it. */
export interface Found {
  sessionId: string
  person: Person
  relatives: readonly Relative[]
  standing: readonly string[]
  activated: boolean
  /** By this terminal's clock. */
  firstFrameAt: string
}

/** Something that is read or typed instead of a face. */
export type Shown = { kind: 'code'; token: string } | { kind: 'card'; cardNo: string; pin: string }

/** Ways on from a refusal. */
export type Exit = 'again' | 'number' | 'way' | 'notice' | 'choice' | 'home'

/** What is known of money when something was not done; null where none was asked for. */
export type Money = 'untouched' | 'open' | null

/** What is known of a bell: nobody is said to come before they said so themselves. */
export type Help =
  | { state: 'ringing' | 'nobody'; helper: null }
  | { state: 'heard' | 'coming'; helper: Words }

export type State =
  | { at: 'asleep' }
  /** With whom it goes on after an activation: a number that is typed once is enough. */
  | { at: 'home'; typed?: LookFor }
  | { at: 'more' }
  | { at: 'safety'; back: State }
  | { at: 'department'; journey: Journey }
  | { at: 'session'; journey: Journey; department: Department }
  | { at: 'slot'; journey: Journey; department: Department; session: Session }
  | { at: 'way'; journey: Journey; withoutFace: boolean }
  | { at: 'number'; journey: Journey }
  | { at: 'notice'; journey: Journey }
  | { at: 'scan'; journey: Journey }
  | { at: 'digits'; journey: Journey }
  | { at: 'code'; journey: Journey }
  | { at: 'card'; journey: Journey }
  | { at: 'identity'; journey: Journey; found: Found }
  | { at: 'whom'; journey: Journey; found: Found }
  | { at: 'window'; journey: Journey }
  | { at: 'task'; journey: Journey; shown: Shown | null }
  | { at: 'refused'; journey: Journey | null; refusal: Refusal; exits: readonly Exit[]; money: Money }
  | { at: 'help'; back: State; help: Help }

export type Event =
  | { type: 'touched' }
  | { type: 'home' }
  | { type: 'back' }
  | { type: 'on' }
  | { type: 'more' }
  | { type: 'safety' }
  | { type: 'task'; task: Task }
  | { type: 'way'; way: Way }
  | { type: 'tick'; purpose: Purpose }
  | { type: 'agree' }
  | { type: 'decline' }
  | { type: 'number'; number: string }
  | { type: 'digits'; digits: string }
  | { type: 'shown'; shown: Shown }
  | { type: 'department'; department: Department }
  | { type: 'session'; session: Session }
  | { type: 'slot'; slotNo: number }
  /** What is booked already is looked at, instead of booking something. */
  | { type: 'own' }
  /** Another time for a booking: chosen as for a new one, by whoever is known already. */
  | { type: 'move'; appointmentNo: string }
  | { type: 'outcome'; sessionId: string; firstFrameAt: string; outcome: Outcome }
  | { type: 'failed'; refusal: Refusal; money?: Money }
  | { type: 'yes' }
  | { type: 'no' }
  | { type: 'whom'; relative: Relative | null }
  | { type: 'exit'; exit: Exit }
  | { type: 'help' }
  | { type: 'helped'; help: Help }
  | { type: 'gone' }

export const ASLEEP: State = { at: 'asleep' }
export const HOME: State = { at: 'home' }

export function newJourney(task: Task): Journey {
  return {
    task,
    ticks: [],
    lookFor: { kind: 'expected' },
    live: false,
    attempt: 0,
    failures: 0,
    found: null,
    beneficiary: null,
    choice: null,
    moving: null,
  }
}

export function journeyOf(state: State): Journey | null {
  if (state.at === 'help' || state.at === 'safety') return journeyOf(state.back)
  return 'journey' in state ? state.journey : null
}

/** Where an event leads; an event that means nothing here leads nowhere. */
export function step(state: State, event: Event): State {
  switch (event.type) {
    case 'gone':
      return ASLEEP
    case 'home':
      return HOME
    case 'help':
      return state.at === 'help' ? state : { at: 'help', back: rested(state), help: { state: 'ringing', helper: null } }
    case 'safety':
      return state.at === 'safety' ? state : { at: 'safety', back: state }
    case 'back':
      return back(state)
    case 'helped':
      return state.at === 'help' ? { ...state, help: event.help } : state
    case 'failed':
      return failed(state, event.refusal, event.money ?? null)
    default:
      return within(state, event)
  }
}

type Inner = Exclude<Event, { type: 'gone' | 'home' | 'help' | 'safety' | 'back' | 'helped' | 'failed' }>

function within(state: State, event: Inner): State {
  switch (state.at) {
    case 'asleep':
      return event.type === 'touched' ? HOME : state
    case 'home':
    case 'more':
      if (event.type === 'more') return { at: 'more' }
      return event.type === 'task' ? begun(event.task, typedOf(state)) : state
    case 'department':
      if (event.type === 'own') return { at: 'way', journey: state.journey, withoutFace: false }
      if (event.type !== 'department') return state
      return { at: 'session', journey: state.journey, department: event.department }
    case 'session':
      return event.type === 'session' ? sessionChosen(state, event.session) : state
    case 'slot':
      return event.type === 'slot' ? timeChosen(state.journey, { session: state.session, slotNo: event.slotNo }) : state
    case 'way':
      return event.type === 'way' ? chosen(state.journey, event.way) : state
    case 'number':
      return event.type === 'number' ? numbered(state.journey, event.number) : state
    case 'notice':
      return noticed(state, event)
    case 'scan':
      if (event.type === 'decline') return otherWay(state.journey)
      return event.type === 'outcome' ? decided(state, event) : state
    case 'digits':
      if (event.type !== 'digits') return state
      return scanning({ ...state.journey, lookFor: { kind: 'last_digits', digits: event.digits } })
    case 'code':
    case 'card':
      if (event.type !== 'shown') return state
      return { at: 'task', journey: state.journey, shown: event.shown }
    case 'identity':
      if (event.type === 'no') return { at: 'number', journey: forgotten(state.journey) }
      return event.type === 'yes' ? confirmed(state.journey, state.found) : state
    case 'whom':
      if (event.type !== 'whom') return state
      return { at: 'task', journey: { ...state.journey, beneficiary: event.relative }, shown: null }
    case 'window':
      return event.type === 'way' ? chosen({ ...state.journey, ticks: [] }, event.way) : state
    case 'task':
      if (event.type === 'move') return { at: 'department', journey: { ...state.journey, moving: event.appointmentNo } }
      return event.type === 'on' ? { at: 'home', typed: state.journey.lookFor } : state
    case 'refused':
      return event.type === 'exit' ? left(state, event.exit) : state
    default:
      return state
  }
}

/** Activation begins with the number; everything else with what is wanted, then the choice of a way. */
function begun(task: Task, typed: LookFor | null): State {
  const fresh = newJourney(task)
  const journey = typed === null ? fresh : { ...fresh, lookFor: typed }
  if (CHOSEN_FIRST.has(task)) return { at: 'department', journey }
  if (task === 'activate') return { at: 'number', journey }
  return FACE_ONLY.has(task) ? { at: 'notice', journey } : { at: 'way', journey, withoutFace: false }
}

function typedOf(state: State): LookFor | null {
  return state.at === 'home' ? (state.typed ?? null) : null
}

/** Who registers for today gets the next free number; who books chooses the time as well. */
function sessionChosen(state: State & { at: 'session' }, session: Session): State {
  const { journey, department } = state
  if (journey.task === 'book') return { at: 'slot', journey, department, session }
  return timeChosen(journey, { session, slotNo: null })
}

/** Who is known already, because the first choice was taken by somebody else, is not scanned again. */
function timeChosen(journey: Journey, choice: Choice): State {
  const next: Journey = { ...journey, choice }
  if (next.found !== null) return { at: 'task', journey: next, shown: null }
  return { at: 'way', journey: next, withoutFace: false }
}

function chosen(journey: Journey, way: Way): State {
  switch (way) {
    case 'face':
      return { at: 'notice', journey }
    case 'number':
      return { at: 'number', journey }
    case 'code':
    case 'card':
      return { at: way, journey }
  }
}

function numbered(journey: Journey, idNumber: string): State {
  const next: Journey = { ...journey, lookFor: { kind: 'typed_number', id_number: idNumber } }
  return next.ticks.includes('comparison') ? scanning(next) : { at: 'notice', journey: next }
}

function noticed(state: State & { at: 'notice' }, event: Inner): State {
  const { journey } = state
  switch (event.type) {
    case 'tick':
      return { ...state, journey: { ...journey, ticks: toggled(journey.ticks, event.purpose) } }
    case 'agree':
      return journey.ticks.includes('comparison') ? scanning(journey) : state
    case 'decline':
      return otherWay({ ...journey, ticks: [] })
    default:
      return state
  }
}

function toggled(ticks: readonly Purpose[], purpose: Purpose): readonly Purpose[] {
  return ticks.includes(purpose) ? ticks.filter((each) => each !== purpose) : [...ticks, purpose]
}

function scanning(journey: Journey): State {
  return { at: 'scan', journey: { ...journey, attempt: journey.attempt + 1 } }
}

function otherWay(journey: Journey): State {
  if (FACE_ONLY.has(journey.task)) return { at: 'window', journey: forgotten(journey) }
  return { at: 'way', journey: forgotten(journey), withoutFace: true }
}

/** The journey without whom it has found and with no open socket. */
function forgotten(journey: Journey): Journey {
  return { ...journey, live: false, found: null, lookFor: { kind: 'expected' } }
}

function decided(state: State & { at: 'scan' }, event: Event & { type: 'outcome' }): State {
  const { outcome, sessionId, firstFrameAt } = event
  const journey = { ...state.journey, live: outcome.mayGoOn }
  if (outcome.kind === 'refused') return refusedScan(journey, outcome.refusal)
  const found = foundOf(sessionId, firstFrameAt, outcome.result)
  if (found !== null) return { at: 'identity', journey: { ...journey, found, live: false }, found }
  if (outcome.result.told === 'digits_needed') return { at: 'digits', journey }
  return refusedScan(journey, unknownRefusal(outcome.result))
}

function foundOf(sessionId: string, firstFrameAt: string, result: ResultMessage): Found | null {
  if (result.state !== 'verified' || result.person === null) return null
  const { person, relatives, standing, activated } = result
  return { sessionId, person, relatives, standing, activated, firstFrameAt }
}

/** An unknown person is an answer; its words come from the table of scan failures. */
function unknownRefusal(result: ResultMessage): Refusal {
  return {
    code: `verification.unknown_${result.unknown ?? 'person'}`,
    told: result.told ?? 'not_matched',
    message: { zh: '', en: '' },
    next: { zh: '', en: '' },
    helper: 'self',
    finality: 'temporary',
    details: {},
  }
}

function refusedScan(journey: Journey, refusal: Refusal, money: Money = null): State {
  const counted = { ...journey, failures: journey.failures + 1 }
  return { at: 'refused', journey: counted, refusal, exits: exitsOf(refusal, counted), money }
}

function failed(state: State, refusal: Refusal, money: Money): State {
  const journey = journeyOf(state)
  // What was waited for failed meanwhile: it is told when the person comes back from this page.
  if (state.at === 'help' || state.at === 'safety') return { ...state, back: failed(state.back, refusal, money) }
  if (state.at === 'asleep' || state.at === 'home') return state
  if (journey === null) return { at: 'refused', journey: null, refusal, exits: ['home'], money }
  return refusedScan({ ...journey, live: false }, refusal, money)
}

function confirmed(journey: Journey, found: Found): State {
  const forOthers = found.relatives.length > 0 && FOR_OTHERS.has(journey.task)
  return forOthers ? { at: 'whom', journey, found } : { at: 'task', journey, shown: null }
}

const NUMBER_HELPS = new Set([
  'number_asked',
  'number_needed',
  'action_needed',
  'number_mistyped',
  'name_or_number',
  'not_found',
  'not_enrolled',
  'not_activated',
  'dormant',
  'not_called',
])
const AGAIN_HELPS = new Set([
  'not_matched',
  'not_live',
  'challenge_missed',
  'picture_poor',
  'looks_changed',
  'timeout',
  'begin_again',
  'confirm_again',
  'busy',
  'network',
  'wait',
  'no_face',
])
const ONLY_HOME = new Set([
  'terminal_unusable',
  'terminal_outdated',
  'terminal_not_certified',
  'terminal_not_for_this',
  'done_before',
  'not_known',
])

/** Another doctor or time helps, and who it is remains known. */
const CHOICE_HELPS = new Set([
  'hospital.session_full',
  'hospital.slot_taken',
  'hospital.slot_invalid',
  'hospital.session_closed',
  'hospital.session_not_found',
  'hospital.already_booked',
])
/** What was confirmed is good no more: whoever is still there looks at the screen once more. */
const SCAN_HELPS = new Set([
  'verification.not_verified',
  'verification.confirm_too_late',
  'verification.proof_already_issued',
  'verification.proof_expired',
  'verification.proof_not_found',
  'verification.session_not_found',
  'hospital.bill_changed',
  'hospital.intent_used',
])

/** At most three ways on, the best first; the way to a person is always at the foot of the page. */
export function exitsOf(refusal: Refusal, journey: Journey): readonly Exit[] {
  const told = refusal.told ?? ''
  if (journey.choice !== null && CHOICE_HELPS.has(refusal.code)) return ['choice', 'home']
  if (SCAN_HELPS.has(refusal.code)) return ['again', 'way', 'home']
  if (ONLY_HOME.has(told) || refusal.finality === 'unknown') return ['home']
  if (told === 'consent_needed') return ['notice', 'way', 'home']
  // What a person is told decides: the refusal behind it may be final for this one attempt only.
  const helps = told === '' ? refusal.finality === 'temporary' : AGAIN_HELPS.has(told)
  const exits: Exit[] = []
  if (NUMBER_HELPS.has(told)) exits.push('number')
  else if (helps && journey.failures < FAILURES_MAX) exits.push('again')
  if (told === 'not_matched') exits.push('number')
  return [...exits, 'way', 'home']
}

function left(state: State & { at: 'refused' }, exit: Exit): State {
  const { journey } = state
  if (journey === null || exit === 'home') return HOME
  switch (exit) {
    case 'again':
      return journey.ticks.includes('comparison') ? scanning(journey) : { at: 'notice', journey }
    case 'number':
      return { at: 'number', journey }
    case 'notice':
      return { at: 'notice', journey: { ...journey, ticks: [] } }
    case 'choice':
      return { at: 'department', journey: { ...journey, failures: 0 } }
    case 'way':
      return otherWay(journey)
  }
}

/** What is waited in while help comes: a running scan is not, its camera must close. */
function rested(state: State): State {
  return state.at === 'scan' ? otherWay(state.journey) : state
}

function back(state: State): State {
  switch (state.at) {
    case 'safety':
    case 'help':
      return state.back
    case 'more':
    case 'department':
      return HOME
    case 'session':
      return { at: 'department', journey: state.journey }
    case 'slot':
      return { at: 'session', journey: state.journey, department: state.department }
    case 'way':
      return state.journey.choice === null ? HOME : { at: 'department', journey: state.journey }
    case 'number':
    case 'notice':
    case 'code':
    case 'card':
      return FACE_ONLY.has(state.journey.task) ? HOME : { at: 'way', journey: forgotten(state.journey), withoutFace: false }
    case 'digits':
    case 'scan':
      return otherWay(state.journey)
    default:
      return state
  }
}

/** What is spoken when a state is entered; the scan speaks by its hints. */
export function clipsAt(state: State, noticeVersion: string | null): readonly string[] {
  switch (state.at) {
    case 'home':
      return ['kiosk.choose_task']
    case 'department':
      return ['kiosk.choose_department']
    case 'session':
      return ['kiosk.choose_doctor']
    case 'slot':
      return ['kiosk.choose_time']
    case 'way':
      return ['kiosk.choose_way']
    case 'number':
      return ['kiosk.enter_number']
    case 'notice':
      return noticeVersion === null ? [] : [`notice.${noticeVersion}.spoken`]
    case 'scan':
      return ['kiosk.look']
    case 'digits':
      return ['scan.digits_needed']
    case 'code':
      return ['kiosk.show_code']
    case 'card':
      return ['kiosk.insert_card']
    case 'identity':
      return ['kiosk.confirm_identity']
    case 'whom':
      return ['kiosk.for_whom']
    case 'task':
      return state.journey.task === 'activate' ? ['kiosk.activated'] : []
    case 'help':
      if (state.help.state === 'nobody') return ['kiosk.help_go']
      if (state.help.state === 'heard') return ['kiosk.help_told']
      return state.help.state === 'coming' ? ['kiosk.help_coming'] : []
    default:
      return []
  }
}
