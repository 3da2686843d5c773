/** Made-up content for pictures of the screens; nothing of it is built into the product. */

import type { Found } from '../kiosk/flow'
import type { Failure, LiveView, Notice, Settings } from '../kiosk/kiosk'
import type { Appointment, Bill, Collected, Look, Payment, Ready, Registration, Session, Slot } from '../kiosk/hospital'
import type { Copy } from '../kiosk/own'
import type { Offered } from '../kiosk/parts/choices'
import type { Split } from '../kiosk/parts/split'

export const NOTICE: Notice = {
  version: '2026-11-22',
  text: {
    zh: '示例市第一医院和示例市医疗保障局（电话 0990-12393）要用您的人脸确认是您本人，防止别人冒用您的医保。每次刷脸，现场照片都经医保专网与公安人口信息比对，比对完就删除。连不上公安人口信息时，只与您同意保存的人脸特征比对，只能办小额的事。您另外同意的，才保存加密的人脸特征，下次不用再输身份证号；连续 24 个月不用就删除。您另外同意的，刷脸时才同时从您授权的账户付自己要付的钱。人脸信息一旦泄露很难更换，我们加密保管、限制使用。您随时可以在本机、窗口或手机上查看、更正、撤回同意、删除；撤回后马上停止比对并删除，备份最迟 30 天内清除。不刷脸也一样办：医保卡、医保码、身份证都行，费用、排队、报销都相同。不满14周岁请监护人同意。',
    en: 'The First Hospital of Sample City and the Sample City Insurer (telephone 0990-12393) want to use your face to make sure that it is you, so that nobody else uses your insurance. At every scan the picture is compared with the police registry over the private network of the insurer and deleted right after. When the registry cannot be reached, only the template that you agreed to keep is compared, and only small amounts can be settled. Only if you agree to it separately, an encrypted face template is kept, so that you need not type your ID number next time; it is deleted when it was not used for 24 months. Only if you agree to it separately, one scan also pays your own share from the account that you authorised. A face cannot be changed once its data has leaked; we encrypt it and restrict its use. At any time you may view, correct, withdraw your consent and delete, here, at a window or on the phone; after a withdrawal comparisons stop and the data is deleted at once, from backups within 30 days. It works without a scan too: the card, the e-voucher code or the ID card, with the same price, queue and claim. Under 14 a guardian must agree.',
  },
  spoken: { zh: '刷脸前请看一看说明，也可以听一听。', en: 'Please read the notice before the scan.' },
  ticks: [
    { purpose: 'comparison', ticked: false, zh: '我同意这次用人脸比对确认是我本人', en: 'I agree to this comparison of my face' },
    { purpose: 'template', ticked: false, zh: '我同意保存加密的人脸特征，下次不用输身份证号', en: 'I agree that an encrypted face template is kept' },
    { purpose: 'one_scan_payment', ticked: false, zh: '我同意刷脸时从我授权的账户付自己要付的钱', en: 'I agree that a scan pays my own share from the account that I authorised' },
  ],
  safety: [
    { topic: 'who_sees', zh: '谁能看到：只有示例市医疗保障局和公安人口信息用来核对是不是您，医院不保存您的人脸。', en: 'Who sees it: only the Sample City Insurer and the police registry, to check that it is you; the hospital keeps nothing of your face.' },
    { topic: 'what_is_kept', zh: '留下什么：照片比对完就删除；您同意了才留一份加密的特征，24 个月不用就删除。', en: 'What is kept: the picture is deleted after the comparison; only if you agree an encrypted template stays, until it was not used for 24 months.' },
    { topic: 'protection', zh: '怎么保护：特征加了密，钥匙分开保管，每一次使用都有记录。', en: 'How it is protected: the template is encrypted, its keys are kept apart, and every use of it is on record.' },
    { topic: 'deletion', zh: '怎么删除：在任何一台机器、窗口或手机上说一声不同意了，马上删除，给您一张凭条。', en: 'How to delete it: withdraw your consent at any terminal, window or on the phone; it is deleted at once and you get a receipt.' },
  ],
}

export const FOUND: Found = {
  sessionId: '01K0000000000000000000000A',
  person: { masked_name: '张*例', masked_id_number: '9***************18', region: '990000' },
  relatives: [
    { psn_no: '1', masked_name: '李*梅', kinship: 'mother' },
    { psn_no: '2', masked_name: '张*乐', kinship: 'child' },
  ],
  standing: [],
  activated: true,
  firstFrameAt: '2026-11-29T01:00:00Z',
}

export const NOTE: Failure = {
  code: 'not_synchronised',
  zh: '您的参保信息还在路上，一般一到三个工作日',
  en: 'Your insurance data is still on its way',
  clip: 'scan.staff',
  spoken_zh: '请到窗口，工作人员帮您办',
  next_zh: '跨省的最多七天。本次先按自费，到了可退差额',
  next_en: '1-3 working days, across provinces up to 7. Pay first; the difference is paid back',
  helper: 'insurer',
  finality: 'temporary',
  cause: 'insurance',
}

export const NOT_MATCHED: Failure = {
  ...NOTE,
  code: 'not_matched',
  zh: '这次没认出来，不影响您看病。请再试一次，或输入身份证号',
  en: 'Not recognised this time; your visit is not affected',
  next_zh: '再试一次，或输入身份证号，或用医保卡',
  next_en: 'Try again, type the ID number, or use the card',
  helper: 'self',
}

export const LIVE: LiveView = {
  stream: new MediaStream(),
  hint: 'hold_still',
  side: null,
  prompt: null,
  progress: 0.62,
  deciding: false,
  slow: false,
}

export const SETTINGS: Settings = {
  large: false,
  english: false,
  sound: true,
  low: false,
  helper: false,
}

export const COPY: Copy = {
  events: [],
  in_force: ['template', 'one_scan_payment'],
  ask_again: [],
  guardian_missing: false,
  holdings: {},
  receipts: [],
}

export const OFFERED: readonly Offered[] = [
  { department: { dept_code: '0301', name: { zh: '呼吸内科', en: 'Respiratory' }, queue_letter: 'A' }, left: 42 },
  { department: { dept_code: '0302', name: { zh: '消化内科', en: 'Digestive' }, queue_letter: 'A' }, left: 18 },
  { department: { dept_code: '0303', name: { zh: '神经内科', en: 'Neurology' }, queue_letter: 'A' }, left: 7 },
  { department: { dept_code: '0304', name: { zh: '心血管内科', en: 'Cardiology' }, queue_letter: 'A' }, left: 0 },
  { department: { dept_code: '0401', name: { zh: '普外科', en: 'General surgery' }, queue_letter: 'A' }, left: 25 },
  { department: { dept_code: '0402', name: { zh: '骨科', en: 'Orthopaedics' }, queue_letter: 'A' }, left: 31 },
  { department: { dept_code: '1001', name: { zh: '眼科', en: 'Eyes' }, queue_letter: 'A' }, left: 60 },
]

const TODAY = { zh: '今天', en: 'Today' }
export const SLOTS = [
  { id: '1', doctor: { zh: '王示例', en: 'Dr Wang' }, title: { zh: '主任医师', en: 'Chief physician' }, date: TODAY, from: '10:00', to: '10:30', left: 3, feeFen: 5000 },
  { id: '2', doctor: { zh: '陈样本', en: 'Dr Chen' }, title: { zh: '副主任医师', en: 'Deputy chief' }, date: TODAY, from: '10:30', to: '11:00', left: 12, feeFen: 3000 },
  { id: '3', doctor: { zh: '赵演示', en: 'Dr Zhao' }, title: { zh: '主治医师', en: 'Attending' }, date: TODAY, from: '11:00', to: '11:30', left: 0, feeFen: 1500 },
  { id: '4', doctor: { zh: '普通号', en: 'Any doctor' }, title: { zh: '', en: '' }, date: TODAY, from: '08:00', to: '12:00', left: 40, feeFen: 1000 },
] as const

export const SPLIT: Split = {
  totalFen: 25860,
  fundFen: 18240,
  accountFen: 6420,
  hospitalFen: 0,
  restFen: 1200,
  outsideFen: 860,
  upfrontFen: 340,
  deductibleFen: 0,
}

const DEPARTMENT = { dept_code: '0301', name: { zh: '呼吸内科', en: 'Respiratory' }, queue_letter: 'A' }
const ROOM = { zh: '二层 216 诊室', en: 'Room 216, 2nd floor' }
const DOCTOR = { zh: '王示例', en: 'Dr Wang' }

export const SESSION: Session = {
  session_no: 'S1',
  department: DEPARTMENT,
  doctor: { dr_code: 'D1', name: DOCTOR, dept_code: '0301', title: 'chief', title_words: { zh: '主任医师', en: 'Chief physician' } },
  day: '2026-11-29',
  period: 'morning',
  period_words: { zh: '上午', en: 'Morning' },
  starts_at: '2026-11-29T00:00:00Z',
  ends_at: '2026-11-29T04:00:00Z',
  room: ROOM,
  slots: 20,
  left: 11,
  fee_fen: 5000,
}

export const TIMES: readonly Slot[] = Array.from({ length: 20 }, (_, place) => ({
  slot_no: place + 1,
  begins_at: new Date(Date.parse('2026-11-29T02:00:00Z') + place * 12 * 60_000).toISOString(),
  free: place % 3 !== 1,
}))

export const VISIT: Registration = {
  encounter_no: 'E1',
  record_no: 'R1',
  queue_no: 'A036',
  state: 'registered',
  ahead: 5,
  department: DEPARTMENT.name,
  doctor: DOCTOR,
}

export const APPOINTMENT: Appointment = {
  appointment_no: 'A1',
  state: 'booked',
  session_no: 'S1',
  slot_no: 3,
  begins_at: '2026-11-30T02:24:00Z',
  day: '2026-11-30',
  period_words: { zh: '上午', en: 'Morning' },
  department: DEPARTMENT,
  doctor: SESSION.doctor,
  room: ROOM,
  encounter_no: null,
}

export const BILL: Bill = {
  encounter_no: 'E1',
  department: DEPARTMENT.name,
  visited_at: '2026-11-29T01:00:00Z',
  lines: [
    { name: { zh: '主任医师诊查费', en: 'Consultation, chief physician' }, amount_fen: 5000 },
    { name: { zh: '胸部 CT 平扫', en: 'Chest CT' }, amount_fen: 20860 },
  ],
  amount_fen: 25860,
  payable: true,
  under_way: false,
  slip_no: null,
}

export const PAYMENT: Payment = {
  command_id: '01K0000000000000000000000C',
  encounter_no: 'E1',
  state: 'prepared',
  under_way: false,
  done: false,
  undone: false,
  intent_id: '01K0000000000000000000000D',
  amount_max_fen: 25860,
  prepared_at: '2026-11-29T01:30:00Z',
  decided_at: null,
  channel: null,
  slip_no: null,
  shown: {
    setl_id: null,
    setl_time: '2026-11-29T01:30:00Z',
    medfee_sumamt: 25860,
    fulamt_ownpay_amt: 500,
    overlmt_selfpay: 360,
    preselfpay_amt: 340,
    act_pay_dedc: 0,
    fund_pay_sumamt: 18240,
    acct_pay: 6420,
    acct_mulaid_pay: 0,
    psn_cash_pay: 1200,
    hosp_part_amt: 0,
    balc: 1000,
    funds: { hifp_pay: 18240 },
    reasons: [],
  },
  settled: null,
  wallet: null,
  cash_due_fen: null,
}

export const READY: readonly Ready[] = [
  { order_no: 'O1', version: 1, signed_at: '2026-11-29T01:00:00Z', names_zh: ['血常规', 'C 反应蛋白'], names_en: ['Blood count', 'C-reactive protein'] },
  { order_no: 'O2', version: 1, signed_at: '2026-11-28T01:00:00Z', names_zh: ['胸部 CT 平扫'], names_en: ['Chest CT'] },
]

export const LOOKS: readonly Look[] = [
  {
    at: '2026-11-29T02:10:00Z',
    by: '钱示范',
    role: { zh: '医生', en: 'Doctor' },
    why: { zh: '看病', en: 'Consultation' },
    note: '',
    related: true,
  },
  {
    at: '2026-11-28T07:30:00Z',
    by: '孙示例',
    role: { zh: '窗口人员', en: 'Clerk' },
    why: { zh: '其他', en: 'Other' },
    note: '电话询问',
    related: false,
  },
]

export const COLLECTED: Collected = {
  report: {
    order_no: 'O1',
    encounter_no: 'E1',
    version: 1,
    values: [
      { name: '白细胞', value: '11.2', unit: '10^9/L', low: '3.5', high: '9.5', flag: 'high' },
      { name: '血红蛋白', value: '128', unit: 'g/L', low: '115', high: '150', flag: 'normal' },
      { name: 'C 反应蛋白', value: '18', unit: 'mg/L', low: '0', high: '10', flag: 'high' },
    ],
    finding: '',
    conclusion: '白细胞、C 反应蛋白升高',
    critical: false,
    entered_by: 'S1',
    entered_at: '2026-11-29T00:50:00Z',
    signed_by: 'S1',
    signed_at: '2026-11-29T01:00:00Z',
  },
  collected_at: '2026-11-29T01:40:00Z',
  channel: 'face',
  is_proxy: false,
}
