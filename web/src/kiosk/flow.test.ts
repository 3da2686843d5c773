import { describe, expect, test } from 'vitest'
import { SESSION } from '../gallery/samples'
import type { Outcome, ResultMessage } from '../terminal/capture'
import { NO_CAMERA, refusalOf, UNREACHABLE } from '../terminal/refusal'
import { ASLEEP, clipsAt, FAILURES_MAX, HOME, journeyOf, newJourney, step, TASKS, tasksOf, type Event, type Help, type State } from './flow'

const NUMBER = '990000196203140189'
const PERSON = { masked_name: '张*例', masked_id_number: '9***', region: '990000' }
const RELATIVE = { psn_no: '2', masked_name: '李*梅', kinship: 'mother' }

function after(start: State, ...events: Event[]): State {
  return events.reduce(step, start)
}

function result(given: Partial<ResultMessage>, mayGoOn = false): Event {
  const message = {
    type: 'result',
    state: 'capturing',
    unknown: null,
    refused: null,
    attempts_left: 2,
    person: null,
    certainty: null,
    basis: null,
    registry: null,
    standing: [],
    activated: false,
    relatives: [],
    told: null,
    may_go_on: mayGoOn,
    ...given,
  } as ResultMessage
  const outcome: Outcome = { kind: 'result', result: message, mayGoOn }
  return { type: 'outcome', sessionId: 's', firstFrameAt: '2026-11-29T01:00:00Z', outcome }
}

function refused(told: string, finality = 'temporary', mayGoOn = false): Event {
  const words = { zh: '不', en: 'no' }
  const refusal = refusalOf({ code: 'verification.x', told, message: words, next: words, finality, helper: 'self' })
  return { type: 'outcome', sessionId: 's', firstFrameAt: '2026-11-29T01:00:00Z', outcome: { kind: 'refused', refusal, mayGoOn, attemptsLeft: 1 } }
}

const FOUND = result({ state: 'verified', person: PERSON, activated: true })
const TO_SCAN: Event[] = [
  { type: 'touched' },
  { type: 'task', task: 'pay' },
  { type: 'way', way: 'face' },
  { type: 'tick', purpose: 'comparison' },
  { type: 'agree' },
]

test('the way is chosen after the task, and the notice comes before the camera', () => {
  const states = TO_SCAN.reduce<State[]>((all, event) => [...all, step(all.at(-1) ?? ASLEEP, event)], [])

  expect(states.map((state) => state.at)).toEqual(['home', 'way', 'notice', 'notice', 'scan'])
})

test('no tick is set beforehand, and without the first one no camera opens', () => {
  const notice = after(ASLEEP, ...TO_SCAN.slice(0, 3))

  expect(journeyOf(notice)?.ticks).toEqual([])
  expect(step(notice, { type: 'agree' }).at).toBe('notice')
  const others = after(notice, { type: 'tick', purpose: 'template' }, { type: 'agree' })
  expect(others.at).toBe('notice')
})

test('what only a face can do here is done at a window by whoever declines', () => {
  const window = after(HOME, { type: 'task', task: 'matters' }, { type: 'tick', purpose: 'comparison' }, { type: 'decline' })
  expect(window).toMatchObject({ at: 'window', journey: { found: null } })

  expect(step(window, { type: 'way', way: 'face' })).toMatchObject({ at: 'notice', journey: { ticks: [] } })
})

test('a tick can be taken back', () => {
  const notice = after(ASLEEP, ...TO_SCAN.slice(0, 4), { type: 'tick', purpose: 'comparison' })

  expect(journeyOf(notice)?.ticks).toEqual([])
})

test('whoever declines the face goes on by another way and nothing is agreed to', () => {
  const way = after(ASLEEP, ...TO_SCAN.slice(0, 4), { type: 'decline' })

  expect(way).toMatchObject({ at: 'way', withoutFace: true, journey: { ticks: [] } })
})

test('activation begins with the number and ends activated', () => {
  const done = after(
    HOME,
    { type: 'task', task: 'activate' },
    { type: 'number', number: NUMBER },
    { type: 'tick', purpose: 'comparison' },
    { type: 'agree' },
    FOUND,
    { type: 'yes' },
  )

  expect(done).toMatchObject({ at: 'task', journey: { task: 'activate' } })
  expect(clipsAt(done, null)).toEqual(['kiosk.activated'])
})

const WITH_FAMILY = result({ state: 'verified', person: PERSON, relatives: [RELATIVE] })

test.each(['checkin', 'pay', 'report'] as const)('whoever has family is asked for whom they came: %s', (task) => {
  const toScan = TO_SCAN.map((each): Event => (each.type === 'task' ? { type: 'task', task } : each))
  const whom = after(ASLEEP, ...toScan, WITH_FAMILY, { type: 'yes' })

  expect(whom.at).toBe('whom')
  expect(step(whom, { type: 'whom', relative: RELATIVE })).toMatchObject({
    at: 'task',
    journey: { beneficiary: RELATIVE },
  })
})

test('what is for oneself only asks nobody for whom it is', () => {
  const toScan = TO_SCAN.flatMap((each): Event[] => {
    if (each.type === 'way') return []
    return [each.type === 'task' ? { type: 'task', task: 'matters' } : each]
  })
  expect(after(ASLEEP, ...toScan, WITH_FAMILY, { type: 'yes' })).toMatchObject({ at: 'task', journey: { beneficiary: null } })
})

const TO_WAY: Event[] = [
  { type: 'task', task: 'book' },
  { type: 'department', department: SESSION.department },
  { type: 'session', session: SESSION },
  { type: 'slot', slotNo: 3 },
]
const FACE = TO_SCAN.slice(2)

test('whoever changes a booking is scanned first, then chooses, and is not scanned again', () => {
  const own = after(HOME, { type: 'task', task: 'book' }, { type: 'own' })
  expect(own).toMatchObject({ at: 'way', journey: { task: 'book', choice: null } })
  const known = after(own, ...FACE, result({ state: 'verified', person: PERSON }), { type: 'yes' })
  expect(known).toMatchObject({ at: 'task', journey: { choice: null } })

  const moving = step(known, { type: 'move', appointmentNo: 'A1' })
  expect(moving).toMatchObject({ at: 'department', journey: { moving: 'A1' } })
  expect(after(moving, ...TO_WAY.slice(1))).toMatchObject({
    at: 'task',
    journey: { moving: 'A1', choice: { session: SESSION, slotNo: 3 }, found: { person: PERSON } },
  })
})

test('what is wanted is chosen before the scan, so that no proof grows old', () => {
  const way = after(HOME, ...TO_WAY)
  expect(way).toMatchObject({ at: 'way', journey: { choice: { session: SESSION, slotNo: 3 }, found: null } })

  const today: Event[] = [{ type: 'task', task: 'register' }, ...TO_WAY.slice(1, 3)]
  expect(after(HOME, ...today)).toMatchObject({ at: 'way', journey: { choice: { slotNo: null } } })
})

test('a step back leads one choice back', () => {
  const back = ['way', 'department', 'home']
  const from = after(HOME, ...TO_WAY)

  expect([from, after(from, { type: 'back' }), after(from, { type: 'back' }, { type: 'back' })].map((each) => each.at)).toEqual(back)
  expect(after(HOME, ...TO_WAY.slice(0, 3), { type: 'back' }).at).toBe('session')
})

test('whose number was just taken by somebody else chooses again and is not scanned again', () => {
  const words = { zh: '不', en: 'no' }
  const full = refusalOf({ code: 'hospital.session_full', message: words, next: words, helper: 'self', finality: 'temporary' })
  const refused = after(HOME, ...TO_WAY, ...FACE, FOUND, { type: 'yes' }, { type: 'failed', refusal: full })
  expect(refused).toMatchObject({ at: 'refused', exits: ['choice', 'home'] })

  const again = after(refused, { type: 'exit', exit: 'choice' }, ...TO_WAY.slice(1))
  expect(again).toMatchObject({ at: 'task', journey: { found: { sessionId: 's' }, choice: { session: SESSION } } })
})

test.each(['verification.confirm_too_late', 'verification.proof_expired', 'hospital.bill_changed'])(
  'after %s the person looks at the screen once more',
  (code) => {
    const words = { zh: '不', en: 'no' }
    const refusal = refusalOf({ code, message: words, next: words, helper: 'self', finality: 'final' })
    const refused = after(ASLEEP, ...TO_SCAN, FOUND, { type: 'yes' }, { type: 'failed', refusal, money: 'untouched' })
    expect(refused).toMatchObject({ exits: ['again', 'way', 'home'], money: 'untouched' })

    expect(step(refused, { type: 'exit', exit: 'again' }).at).toBe('scan')
  },
)

test('what fails while somebody looks at another page is told when they come back', () => {
  const task = after(ASLEEP, ...TO_SCAN, FOUND, { type: 'yes' })
  const away = after(task, { type: 'help' }, { type: 'failed', refusal: UNREACHABLE, money: 'open' })
  expect(away).toMatchObject({ at: 'help', help: { state: 'ringing' } })

  expect(step(away, { type: 'back' })).toMatchObject({ at: 'refused', money: 'open' })
})

test('a terminal offers what its hospital offers at its place, and what the insurer always does', () => {
  const hall = ['01101', '01301', '01303', '09001']
  expect(tasksOf([], hall)).toEqual(['activate', 'matters'])
  expect(tasksOf(['scheduling', 'bills', 'reports', 'records'], hall)).toEqual([
    'register', 'checkin', 'book', 'pay', 'report', 'activate', 'record', 'matters',
  ])
  expect(tasksOf(['scheduling', 'bills', 'reports'], ['01301'])).toEqual(['pay', 'activate', 'matters'])
})

test('who has just set it up types the number once for whatever comes next, and leaves nothing', () => {
  const typed = { kind: 'typed_number', id_number: NUMBER }
  const on = after(
    HOME, { type: 'task', task: 'activate' }, { type: 'number', number: NUMBER },
    { type: 'tick', purpose: 'comparison' }, { type: 'agree' }, FOUND, { type: 'yes' }, { type: 'on' },
  )
  expect(on).toMatchObject({ at: 'home', typed })
  expect(journeyOf(step(on, { type: 'task', task: 'pay' }))?.lookFor).toEqual(typed)

  for (const leave of [{ type: 'home' }, { type: 'gone' }] as const) {
    expect(JSON.stringify(step(on, leave))).not.toContain(NUMBER)
  }
})

test('whoever says "not me" is forgotten and types a number', () => {
  const state = after(ASLEEP, ...TO_SCAN, FOUND, { type: 'no' })

  expect(state).toMatchObject({ at: 'number', journey: { found: null, live: false } })
})

test('not sure enough: the last four, on the same socket', () => {
  const digits = after(ASLEEP, ...TO_SCAN, result({ told: 'digits_needed', unknown: 'not_clear' }, true))
  expect(digits).toMatchObject({ at: 'digits', journey: { live: true } })

  expect(step(digits, { type: 'digits', digits: '018X' })).toMatchObject({
    at: 'scan',
    journey: { live: true, lookFor: { kind: 'last_digits', digits: '018X' }, attempt: 2 },
  })
})

test('an unknown face is an answer with ways on, the number among them', () => {
  const state = after(ASLEEP, ...TO_SCAN, result({ told: 'not_matched', unknown: 'below_threshold' }, true))

  expect(state).toMatchObject({ at: 'refused', exits: ['again', 'number', 'way', 'home'] })
})

test('a number that is typed after a refusal needs no second consent', () => {
  const state = after(
    ASLEEP,
    ...TO_SCAN,
    result({ told: 'number_asked', unknown: 'no_template' }, true),
    { type: 'exit', exit: 'number' },
    { type: 'number', number: NUMBER },
  )

  expect(state).toMatchObject({ at: 'scan', journey: { lookFor: { kind: 'typed_number' } } })
})

test('after three failures nobody is asked to try the face again', () => {
  let state = after(ASLEEP, ...TO_SCAN)
  for (let failure = 1; failure < FAILURES_MAX; failure += 1) {
    state = step(state, refused('not_live'))
    expect(state).toMatchObject({ at: 'refused', exits: expect.arrayContaining(['again']) })
    state = step(state, { type: 'exit', exit: 'again' })
  }
  state = step(state, refused('not_live'))

  expect(state).toMatchObject({ at: 'refused', exits: ['way', 'home'] })
})

test('a missed movement may be tried again although its one attempt is over', () => {
  expect(after(ASLEEP, ...TO_SCAN, refused('challenge_missed', 'final'))).toMatchObject({ exits: ['again', 'way', 'home'] })
})

test('what is final is not offered again, and an open outcome offers nothing but to wait', () => {
  expect(after(ASLEEP, ...TO_SCAN, refused('photo_old', 'final'))).toMatchObject({ exits: ['way', 'home'] })
  expect(after(ASLEEP, ...TO_SCAN, refused('not_known', 'unknown'))).toMatchObject({ exits: ['home'] })
})

test('no camera and no network lead to other ways', () => {
  const scan = after(ASLEEP, ...TO_SCAN)

  expect(step(scan, { type: 'failed', refusal: NO_CAMERA })).toMatchObject({ exits: ['way', 'home'] })
  expect(step(scan, { type: 'failed', refusal: UNREACHABLE })).toMatchObject({ exits: ['again', 'way', 'home'] })
})

test('help leaves a running scan, and elsewhere comes back to where somebody was', () => {
  const scan = after(ASLEEP, ...TO_SCAN)
  expect(after(scan, { type: 'help' }, { type: 'back' }).at).toBe('way')

  const notice = after(ASLEEP, ...TO_SCAN.slice(0, 3))
  expect(after(notice, { type: 'help' }, { type: 'helped', help: { state: 'nobody', helper: null } }, { type: 'back' })).toBe(notice)
})

test('the screen says that somebody comes only when somebody does', () => {
  const ringing = after(HOME, { type: 'help' })
  expect(clipsAt(ringing, null)).toEqual([])
  const helper = { zh: '导医 李示例', en: 'Guide 李示例' }
  const said = (help: Help) => clipsAt(step(ringing, { type: 'helped', help }), null)
  expect(said({ state: 'nobody', helper: null })).toEqual(['kiosk.help_go'])
  expect(said({ state: 'heard', helper })).toEqual(['kiosk.help_told'])
  expect(said({ state: 'coming', helper })).toEqual(['kiosk.help_coming'])
})

describe('wherever somebody stands', () => {
  const everywhere: State[] = [
    ...TO_SCAN.map((_, at) => after(ASLEEP, ...TO_SCAN.slice(0, at + 1))),
    after(ASLEEP, ...TO_SCAN, FOUND),
    after(ASLEEP, ...TO_SCAN, FOUND, { type: 'yes' }),
    after(ASLEEP, ...TO_SCAN, refused('not_live')),
    after(ASLEEP, ...TO_SCAN, result({ told: 'digits_needed' }, true)),
    after(ASLEEP, ...TO_SCAN, FOUND, { type: 'help' }),
    after(ASLEEP, ...TO_SCAN, FOUND, { type: 'safety' }),
    after(HOME, { type: 'task', task: 'pay' }, { type: 'way', way: 'card' }, { type: 'shown', shown: { kind: 'card', cardNo: '1', pin: '2' } }),
  ]

  test.each(everywhere.map((state) => [state.at, state] as const))('%s: leaving and going home forget everything', (_, state) => {
    expect(step(state, { type: 'gone' })).toEqual(ASLEEP)
    expect(step(state, { type: 'home' })).toEqual(HOME)
    expect(journeyOf(step(state, { type: 'home' }))).toBeNull()
  })

  test.each(everywhere.map((state) => [state.at, state] as const))('%s: an event of another page changes nothing', (at, state) => {
    if (at === 'identity') return
    expect(step(state, { type: 'yes' })).toBe(state)
  })
})

test.each(TASKS)('the task %s begins without anything of a person', (task) => {
  const journey = journeyOf(step(HOME, { type: 'task', task }))

  expect(journey).toEqual(newJourney(task))
})
