/** Made-up content for pictures of the screens; nothing of it is built into the product. */

import type { Found } from '../kiosk/flow'
import type { Failure, LiveView, Notice, Settings } from '../kiosk/kiosk'
import type { Copy } from '../kiosk/own'
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
    { psn_no: '1', masked_name: '李*梅', kinship: '母亲' },
    { psn_no: '2', masked_name: '张*乐', kinship: '儿子' },
  ],
  standing: [],
  activated: true,
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

export const DEPARTMENTS = [
  { code: '0301', name: { zh: '呼吸内科', en: 'Respiratory' }, where: { zh: '二层 东区', en: '2nd floor, east' } },
  { code: '0302', name: { zh: '消化内科', en: 'Digestive' }, where: { zh: '二层 东区', en: '2nd floor, east' } },
  { code: '0303', name: { zh: '神经内科', en: 'Neurology' }, where: { zh: '二层 西区', en: '2nd floor, west' } },
  { code: '0304', name: { zh: '心血管内科', en: 'Cardiology' }, where: { zh: '二层 西区', en: '2nd floor, west' } },
  { code: '0401', name: { zh: '普外科', en: 'General surgery' }, where: { zh: '三层 东区', en: '3rd floor, east' } },
  { code: '0402', name: { zh: '骨科', en: 'Orthopaedics' }, where: { zh: '三层 东区', en: '3rd floor, east' } },
  { code: '1001', name: { zh: '眼科', en: 'Eyes' }, where: { zh: '四层', en: '4th floor' } },
] as const

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
  restFen: 1200,
  outsideFen: 860,
  upfrontFen: 340,
  deductibleFen: 0,
}
