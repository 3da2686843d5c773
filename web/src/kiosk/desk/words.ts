/** What the screen of a terminal at a desk says; apart from the kiosk's own words. */

import { useI18n } from 'vue-i18n'

const zh = {
  waiting: '请看这里',
  waitingSub: '工作人员请您刷脸时，这里会显示要确认的内容',
  desk: {
    cashier: '请核对您的账单',
    pharmacy: '请核对您的取药',
    bedside: '请核对您的账单',
    admission: '请确认办理入院',
    examination: '请确认来做检查',
  },
  whose: '姓名 {name}',
  total: '一共',
  fund: '医保统筹',
  account: '个人账户',
  rest: '还要另付',
  yuan: '元',
  fromWallet: '另付的 {yuan} 元从您授权的账户扣（要您勾选同意）',
  inCash: '另付的 {yuan} 元在窗口付',
  only: {
    cashier: '这次不用付钱，只核对是不是您本人',
    pharmacy: '药费已经付过，这次只核对是不是您本人',
    bedside: '这次不用付钱，只核对是不是您本人',
    admission: '只核对是不是您本人住院，这次不扣钱',
    examination: '只核对是不是您本人来做检查，这次不扣钱',
  },
  scan: '对，刷脸确认',
  decline: '不刷脸，用别的方式',
  who: '请确认，这是您本人吗？',
  confirm: '是我本人，确认',
  notMe: '不是我',
  sending: '正在确认，请稍等',
  done: '确认好了',
  doneSub: '请听工作人员的',
  refused: '没有确认成',
  again: '再试一次',
  otherWay: '请告诉工作人员，用证件、卡或码也一样办',
}
export type DeskWords = typeof zh

const en: DeskWords = {
  waiting: 'Please look here',
  waitingSub: 'When staff ask you for a scan, what you confirm is shown here',
  desk: {
    cashier: 'Please check your bill',
    pharmacy: 'Please check your medicine',
    bedside: 'Please check your bill',
    admission: 'Please confirm your admission',
    examination: 'Please confirm your arrival',
  },
  whose: 'Name {name}',
  total: 'Total',
  fund: 'Insurance fund',
  account: 'Personal account',
  rest: 'Left to pay',
  yuan: 'yuan',
  fromWallet: 'The {yuan} yuan left come from your agreed account, if you tick it',
  inCash: 'The {yuan} yuan left are paid at the window',
  only: {
    cashier: 'Nothing is to pay; this only checks that it is you',
    pharmacy: 'The medicine is paid; this only checks that it is you',
    bedside: 'Nothing is to pay; this only checks that it is you',
    admission: 'This only checks that it is you who is admitted; nothing is paid by it',
    examination: 'This only checks that it is you who has come; nothing is paid by it',
  },
  scan: 'Right, scan my face',
  decline: 'No scan, another way',
  who: 'Please confirm: is this you?',
  confirm: 'It is me, confirm',
  notMe: 'Not me',
  sending: 'Confirming, one moment',
  done: 'Confirmed',
  doneSub: 'Staff will tell you what is next',
  refused: 'Not confirmed',
  again: 'Try again',
  otherWay: 'Tell the staff: a document, card or code works just as well',
}

export const WORDS = { 'zh-CN': zh, en } as const

export function useDeskWords() {
  const { t } = useI18n({ useScope: 'local', inheritLocale: true, messages: WORDS })
  return { d: (key: string, named: Record<string, string | number> = {}) => t(key, named) }
}
