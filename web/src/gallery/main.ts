/** One screen by the page's address: `?screen=notice&english&large`. For pictures only. */

import { createApp, defineComponent, h, type Component } from 'vue'
import Frame from '../kiosk/Frame.vue'
import '../kiosk/kiosk.css'
import { TASKS, WAYS } from '../kiosk/flow'
import Activated from '../kiosk/screens/Activated.vue'
import Asleep from '../kiosk/screens/Asleep.vue'
import AtWindow from '../kiosk/screens/AtWindow.vue'
import CardRead from '../kiosk/screens/CardRead.vue'
import CheckFees from '../kiosk/screens/CheckFees.vue'
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
import Pay from '../kiosk/screens/Pay.vue'
import Processing from '../kiosk/screens/Processing.vue'
import Refused from '../kiosk/screens/Refused.vue'
import Safety from '../kiosk/screens/Safety.vue'
import Scan from '../kiosk/screens/Scan.vue'
import Success from '../kiosk/screens/Success.vue'
import Ways from '../kiosk/screens/Ways.vue'
import { makeI18n } from '../kiosk/words'
import { NO_CAMERA } from '../terminal/refusal'
import {
  COPY,
  DEPARTMENTS,
  FOUND,
  LIVE,
  NOT_MATCHED,
  NOTE,
  NOTICE,
  SETTINGS,
  SLOTS,
  SPLIT,
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
  '06-departments': { at: 'task', page: Departments, props: { departments: DEPARTMENTS } },
  '07-doctors': { at: 'task', page: Doctors, props: { department: DEPARTMENTS[0].name, slots: SLOTS } },
  '08-fees': { at: 'task', page: CheckFees, props: { what: '呼吸内科 王示例 10:00–10:30', split: SPLIT } },
  '09-pay': { at: 'task', page: Pay, props: { restFen: 1200, walletTail: '1234' } },
  '10-processing': { at: 'task', page: Processing, props: {} },
  '11-success': {
    at: 'task',
    page: Success,
    props: {
      kind: 'register',
      number: 'A036',
      where: { zh: '二层 216 诊室', en: 'room 216, 2nd floor' },
      department: DEPARTMENTS[0].name,
      before: 5,
    },
  },
  '12-refused': {
    at: 'refused',
    page: Refused,
    props: { refusal: REFUSAL, failure: NOT_MATCHED, exits: ['again', 'number', 'way', 'home'] },
  },
  '12-no-camera': {
    at: 'refused',
    page: Refused,
    props: { refusal: NO_CAMERA, failure: null, exits: ['way', 'home'] },
  },
  '12a-window': { at: 'window', page: AtWindow, props: {} },
  '13-help': { at: 'help', page: Help, props: { answered: true, helper: '导医 李示例', machine: '一层大厅 1 号机' } },
  '13-nobody': { at: 'help', page: Help, props: { answered: true, helper: null, machine: '一层大厅 1 号机' } },
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
      canGoBack: ['way', 'number', 'notice', 'digits', 'code', 'card', 'more'].includes(shown.at),
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
