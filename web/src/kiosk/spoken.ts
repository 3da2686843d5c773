/** What is said aloud of an errand: amounts and numbers, never a name, a department or a finding. */

import type { BookingView, CheckingInView, LookingView, OwnBookingsView, PayingView, RegisteringView, ReportingView, Waiting } from './errands'
import type { Payment, Registration } from './hospital'
import { money, spelled } from './speech'

export type ErrandView = RegisteringView | BookingView | OwnBookingsView | CheckingInView | PayingView | ReportingView | LookingView | Waiting

export function clipsOf(view: ErrandView): readonly string[] {
  switch (view.at) {
    case 'waiting':
      return view.money ? ['kiosk.settling'] : []
    case 'registered':
      return ['kiosk.registered', ...numbered(view.visit)]
    case 'checkedin':
      return ['kiosk.checked_in', ...numbered(view.visit)]
    case 'booked':
      return [view.moved ? 'kiosk.moved' : 'kiosk.booked']
    case 'bill':
      return split(view.payment)
    case 'pin':
      return [view.wrong === null ? 'kiosk.type_pin' : 'kiosk.pin_wrong']
    case 'slip':
      return ['kiosk.take_slip']
    case 'own':
      return ['kiosk.own_bookings']
    case 'reports':
      return ['kiosk.choose_report']
    case 'looks':
      return view.looks.length > 0 ? ['kiosk.looks'] : []
    case 'paid':
      return ['kiosk.paid']
    default:
      return []
  }
}

function numbered(visit: Registration): readonly string[] {
  const number = spelled(visit.queue_no)
  return [...(number.length > 0 ? ['kiosk.your_number', ...number] : []), 'kiosk.please_wait_there']
}

/** 一共五十元，医保基金付四十元，个人账户付十元，不用再付钱. */
function split({ shown }: Payment): readonly string[] {
  const account = shown.acct_pay + shown.acct_mulaid_pay
  return [
    'kiosk.check_fees',
    'money.total',
    ...money(shown.medfee_sumamt),
    ...(shown.fund_pay_sumamt > 0 ? ['money.fund', ...money(shown.fund_pay_sumamt)] : []),
    ...(account > 0 ? ['money.account', ...money(account)] : []),
    ...(shown.psn_cash_pay > 0 ? ['money.rest', ...money(shown.psn_cash_pay)] : ['money.nothing']),
  ]
}
