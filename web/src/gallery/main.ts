/** One screen by the page's address: `?screen=notice&english&large`. For pictures only. */

import { createApp, defineComponent, h, shallowRef, type Component } from 'vue'
import Frame from '../kiosk/Frame.vue'
import '../kiosk/kiosk.css'
import { TASKS, WAYS } from '../kiosk/flow'
import Activated from '../kiosk/screens/Activated.vue'
import AtCashier from '../kiosk/screens/AtCashier.vue'
import Asleep from '../kiosk/screens/Asleep.vue'
import AtWindow from '../kiosk/screens/AtWindow.vue'
import Booked from '../kiosk/screens/Booked.vue'
import CardRead from '../kiosk/screens/CardRead.vue'
import CheckedIn from '../kiosk/screens/CheckedIn.vue'
import Closed from '../kiosk/screens/Closed.vue'
import CodeScan from '../kiosk/screens/CodeScan.vue'
import Departments from '../kiosk/screens/Departments.vue'
import Doctors from '../kiosk/screens/Doctors.vue'
import Enrol from '../kiosk/screens/Enrol.vue'
import ForWhom from '../kiosk/screens/ForWhom.vue'
import Help from '../kiosk/screens/Help.vue'
import Home from '../kiosk/screens/Home.vue'
import IdNumber from '../kiosk/screens/IdNumber.vue'
import Identity from '../kiosk/screens/Identity.vue'
import IdleQuestion from '../kiosk/screens/IdleQuestion.vue'
import LastDigits from '../kiosk/screens/LastDigits.vue'
import Matters from '../kiosk/screens/Matters.vue'
import Notice from '../kiosk/screens/Notice.vue'
import Paid from '../kiosk/screens/Paid.vue'
import Processing from '../kiosk/screens/Processing.vue'
import Refused from '../kiosk/screens/Refused.vue'
import OwnBookings from '../kiosk/screens/OwnBookings.vue'
import Registered from '../kiosk/screens/Registered.vue'
import Looks from '../kiosk/screens/Looks.vue'
import Reports from '../kiosk/screens/Reports.vue'
import Safety from '../kiosk/screens/Safety.vue'
import Scan from '../kiosk/screens/Scan.vue'
import Sessions from '../kiosk/screens/Sessions.vue'
import Times from '../kiosk/screens/Times.vue'
import Wait from '../kiosk/screens/Wait.vue'
import Ways from '../kiosk/screens/Ways.vue'
import { makeI18n } from '../kiosk/words'
import { NO_CAMERA, NOT_UNDERSTOOD, type Refusal } from '../terminal/refusal'
import {
  APPOINTMENT,
  BILL,
  COLLECTED,
  COPY,
  FOUND,
  LIVE,
  NOT_MATCHED,
  NOTE,
  NOTICE,
  OFFERED,
  PAYMENT,
  LOOKS,
  READY,
  SESSION,
  SETTINGS,
  SLOTS,
  TIMES,
  VISIT,
} from './samples'

interface Shown {
  at: string
  page: Component
  props: Record<string, unknown>
  over?: Component
}

const KEY_ID = '5f2c'.repeat(16)
const REFUSAL = { ...NO_CAMERA, code: 'verification.unknown_below_threshold', told: 'not_matched' }
const closed = (standing: string): Shown => ({
  at: 'closed',
  page: Closed,
  props: { standing, terminalId: '01K0A7Q3M5Z8C2R4T6V9X1B3D5', keyId: KEY_ID, code: '' },
})
const scan = (live: object): Shown => ({
  at: 'scan',
  page: Scan,
  props: { live: { ...LIVE, ...live }, helper: false },
})

const GUIDE = { zh: '导医 李示例', en: 'Guide Li' }
const help = (told: object): Shown => ({ at: 'help', page: Help, props: { help: told, machine: '一层大厅 1 号机' } })
/** A page of an errand that stands still at one view. */
const errand = (page: Component, view: object, patient: string | null = null): Shown => ({
  at: 'task',
  page,
  props: { errand: { view: shallowRef(view), who: '张*例', patient } },
})
const DAYS = ['2026-11-30', '2026-12-01', '2026-12-02', '2026-12-03', '2026-12-04']
const WEEK = DAYS.map((day, place) => ({ ...SESSION, session_no: day, day, left: place === 3 ? 0 : 11 + place }))
const SETTLED = {
  ...PAYMENT,
  settled: PAYMENT.shown,
  wallet: { state: 'captured', amount_fen: 1200, captured_fen: 1200, refunded_fen: 0 },
}
const NO_PIN: Refusal = {
  ...NO_CAMERA,
  code: 'insurer.pin_not_set',
  message: { zh: '还没有设置密码', en: 'No PIN is set' },
}
const WRONG_PIN: Refusal = {
  ...NO_CAMERA,
  code: 'insurer.pin_wrong',
  message: { zh: '密码不对', en: 'The PIN is wrong' },
  next: { zh: '再输一次；忘了可以重设', en: 'Try again; a forgotten one can be reset' },
}

const SCREENS: Readonly<Record<string, Shown>> = {
  '00-asleep': { at: 'asleep', page: Asleep, props: {} },
  '01-home': { at: 'home', page: Home, props: { tasks: TASKS, more: false } },
  '01-more': { at: 'more', page: Home, props: { tasks: TASKS, more: true } },
  '01-way': { at: 'way', page: Ways, props: { ways: WAYS, withoutFace: false } },
  '01-without-face': { at: 'way', page: Ways, props: { ways: WAYS.slice(1), withoutFace: true } },
  '01a-safety': { at: 'safety', page: Safety, props: { notice: NOTICE } },
  '02-notice': { at: 'notice', page: Notice, props: { notice: NOTICE, ticks: ['comparison'] } },
  '02a-number': { at: 'number', page: IdNumber, props: {} },
  '03-scan': scan({}),
  '03-scan-dark': scan({ hint: 'too_dark', progress: 0.1 }),
  '03-scan-several': scan({ hint: 'several_people', progress: 0.2 }),
  '03-scan-side': scan({ hint: 'off_centre', side: 'left', progress: 0.2, slow: true }),
  '03a-turn': scan({ hint: null, prompt: 'left', progress: 0.45 }),
  '04-digits': { at: 'digits', page: LastDigits, props: {} },
  '05-identity': { at: 'identity', page: Identity, props: { found: FOUND, notes: [NOTE] } },
  '05a-whom': { at: 'whom', page: ForWhom, props: { self: '张*例', relatives: FOUND.relatives } },
  '05b-code': { at: 'code', page: CodeScan, props: {} },
  '05c-card': { at: 'card', page: CardRead, props: {} },
  '05d-activated': { at: 'task', page: Activated, props: { found: FOUND, ticks: ['comparison', 'template'] } },
  '05e-matters': { at: 'task', page: Matters, props: { copy: async () => COPY, withdraw: async () => ({}) } },
  '06-departments': { at: 'department', page: Departments, props: { offered: OFFERED } },
  '06-departments-book': { at: 'department', page: Departments, props: { offered: OFFERED, own: true } },
  '06-wait': { at: 'department', page: Wait, props: { lost: true } },
  '07-days': {
    at: 'session',
    page: Sessions,
    props: { department: SESSION.department, sessions: WEEK, byDay: true },
  },
  '07-doctors': { at: 'session', page: Doctors, props: { department: SESSION.department.name, slots: SLOTS } },
  '07-times': { at: 'slot', page: Times, props: { session: SESSION, slots: TIMES } },
  '08-bills': errand(Paid, { at: 'bills', bills: [BILL, { ...BILL, encounter_no: 'E2' }] }),
  '08-fees': errand(Paid, { at: 'bill', bill: BILL, payment: PAYMENT, offer: { last_four: '1234' }, why: null }),
  '08-fees-child': errand(Paid, { at: 'bill', bill: BILL, payment: PAYMENT, offer: { last_four: '1234' }, why: null }, '张*小'),
  '08-fees-cash': errand(Paid, { at: 'bill', bill: BILL, payment: PAYMENT, offer: null, why: null }),
  '08-fees-no-pin': errand(Paid, { at: 'bill', bill: BILL, payment: PAYMENT, offer: { last_four: '1234' }, why: NO_PIN }),
  '09-pin': errand(Paid, { at: 'pin', payment: PAYMENT, wrong: null }),
  '09-pin-wrong': errand(Paid, { at: 'pin', payment: PAYMENT, wrong: WRONG_PIN }),
  '09-slip': { at: 'task', page: AtCashier, props: { slipNo: '4821-0937-55', restFen: 1200 } },
  '10-processing': { at: 'task', page: Processing, props: { lost: false } },
  '10-lost': { at: 'task', page: Processing, props: { lost: true } },
  '11-registered': errand(Registered, { at: 'registered', visit: VISIT, session: SESSION }),
  '11-checked-in': errand(CheckedIn, { at: 'checkedin', visit: { ...VISIT, ahead: 0 }, appointment: APPOINTMENT }),
  '11-no-appointment': errand(CheckedIn, { at: 'none', next: APPOINTMENT }),
  '11-booked': errand(Booked, { at: 'booked', appointment: APPOINTMENT, moved: false }),
  '11-moved': errand(Booked, { at: 'booked', appointment: APPOINTMENT, moved: true }, '张*小'),
  '11-registered-child': errand(Registered, { at: 'registered', visit: VISIT, session: SESSION }, '张*小'),
  '11a-own': errand(OwnBookings, { at: 'own', booked: [APPOINTMENT, { ...APPOINTMENT, appointment_no: 'A2' }] }),
  '11a-own-child': errand(OwnBookings, { at: 'own', booked: [APPOINTMENT] }, '张*小'),
  '11a-sure': errand(OwnBookings, { at: 'sure', appointment: APPOINTMENT }),
  '11a-cancelled': errand(OwnBookings, { at: 'cancelled', appointment: APPOINTMENT }),
  '11a-none': errand(OwnBookings, { at: 'none' }),
  '11-paid': errand(Paid, { at: 'paid', payment: SETTLED, more: true }),
  '11-reports': errand(Reports, { at: 'reports', ready: READY, collected: [COLLECTED] }),
  '11-report': errand(Reports, { at: 'report', ready: READY[0], collected: COLLECTED }),
  '11-looks': errand(Looks, { at: 'looks', looks: LOOKS }),
  '12-refused': {
    at: 'refused',
    page: Refused,
    props: { refusal: REFUSAL, failure: NOT_MATCHED, exits: ['again', 'number', 'way', 'home'], money: null },
  },
  '12-no-camera': {
    at: 'refused',
    page: Refused,
    props: { refusal: NO_CAMERA, failure: null, exits: ['way', 'home'], money: null },
  },
  '12-open': {
    at: 'refused',
    page: Refused,
    props: { refusal: NOT_UNDERSTOOD, failure: null, exits: ['home'], money: 'open' },
  },
  '12a-window': { at: 'window', page: AtWindow, props: {} },
  '13-ringing': help({ state: 'ringing', helper: null }),
  '13-heard': help({ state: 'heard', helper: GUIDE }),
  '13-help': help({ state: 'coming', helper: GUIDE }),
  '13-nobody': help({ state: 'nobody', helper: null }),
  '14-suspended': closed('suspended'),
  '14-offline': closed('offline'),
  '14-pending': closed('pending'),
  '15-enrol': { at: 'closed', page: Enrol, props: { enrol: async () => {} } },
  '16-idle': { at: 'home', page: Home, props: { tasks: TASKS, more: false }, over: IdleQuestion },
}

const asked = new URLSearchParams(location.search)
const english = asked.has('english')
const shown = SCREENS[asked.get('screen') ?? '01-home']

const Gallery = defineComponent(() => () => {
  if (shown === undefined) return null
  return h(
    Frame,
    {
      settings: { ...SETTINGS, english, large: asked.has('large'), low: asked.has('low') },
      institution: '示例市第一医院',
      machine: '一层大厅 1 号机',
      sandbox: true,
      at: shown.at,
      canGoBack: ['department', 'session', 'slot', 'way', 'number', 'notice', 'digits', 'code', 'card', 'more'].includes(shown.at),
    },
    {
      default: () => h(shown.page, shown.props),
      over: () => (shown.over === undefined ? null : h(shown.over, { seconds: 18 })),
    },
  )
})

document.documentElement.lang = english ? 'en' : 'zh-CN'
createApp(Gallery).use(makeI18n(english ? 'en' : 'zh-CN')).mount('#app')
document.body.dataset['screens'] = Object.keys(SCREENS).join(' ')
