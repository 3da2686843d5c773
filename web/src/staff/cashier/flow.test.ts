import { expect, test } from 'vitest'
import type { Amounts, Bill, Items, Standing } from '../types'
import { barsOf, splitOf } from '../parts/split'
import { askedOf, counted, openBill, stepOf, sumOf, unpaid, type Tender } from './flow'

export const AMOUNTS: Amounts = {
  medfee_sumamt: 258_60,
  fulamt_ownpay_amt: 20_00,
  overlmt_selfpay: 0,
  preselfpay_amt: 4_68,
  act_pay_dedc: 100_00,
  fund_pay_sumamt: 100_00,
  by_fund: { hifp_pay: 100_00 },
  acct_pay: 38_60,
  acct_mulaid_pay: 0,
  psn_cash_pay: 120_00,
  hosp_part_amt: 0,
  balc: 0,
}

function bill(state: Bill['state'], payment = 'P1'): Bill {
  return {
    payment,
    encounter_no: 'E1',
    state,
    intent_id: 'I1',
    amount_max_fen: 258_60,
    slip_no: null,
    channel: null,
    amounts: AMOUNTS,
    from_wallet_fen: 0,
  }
}

function standing(state: Bill['state'], due = 0): Standing {
  return { payment: bill(state), due_fen: due, taking: null, refunds: [] }
}

function items(...payments: Standing[]): Items {
  return { encounter_no: 'E1', masked_name: '张*例', dept_name: '内科', dept_name_en: 'Medicine', batches: [], payments }
}

test('the one field tells slips, visits and documents apart', () => {
  expect(askedOf('g1vr-bzg7')).toEqual({ by: 'slip', text: 'G1VR-BZG7' })
  expect(askedOf('01M8MAPHQGD0HP3VCY07GPH47S')).toEqual({ by: 'encounter', text: '01M8MAPHQGD0HP3VCY07GPH47S' })
  expect(askedOf('99000019421229062x')).toEqual({ by: 'document', text: '99000019421229062X' })
  expect(askedOf('')).toBeNull()
  expect(askedOf('张三')).toBeNull()
})

test('a bill that waits is settled, one that is asked is asked again, one that is paid is done', () => {
  expect(stepOf(null, null, null)).toBe('find')
  expect(stepOf(items(), null, null)).toBe('nothing')
  expect(stepOf(items(), bill('prepared'), null)).toBe('settle')
  expect(stepOf(items(), bill('reserved'), null)).toBe('settle')
  expect(stepOf(items(), bill('unknown'), null)).toBe('asking')
  expect(stepOf(items(), bill('settled'), standing('settled', 120_00))).toBe('take')
  expect(stepOf(items(), bill('settled'), standing('settled'))).toBe('done')
})

test('what is settled and not taken comes before a new bill', () => {
  const found = items(standing('settled', 120_00), standing('reserved'))

  expect(unpaid(found)?.due_fen).toBe(120_00)
  expect(openBill(found)?.state).toBe('reserved')
  expect(openBill(items(standing('lapsed'), standing('withdrawn')))).toBeNull()
})

const cash = (given: string): Tender => ({ kind: 'cash', given, reference: '' })
const card = (given: string, reference = 'R1'): Tender => ({ kind: 'card', given, reference })

test('only cash may be more than is due, and what is more goes back', () => {
  expect(sumOf([cash('200')], 120_00)).toMatchObject({ changeFen: 80_00, lackFen: 0, wrong: null })
  expect(sumOf([card('50'), cash('100')], 120_00)).toMatchObject({ changeFen: 30_00, wrong: null })
  expect(sumOf([card('130')], 120_00).wrong).toBe('take.too_much')
  expect(sumOf([cash('100')], 120_00)).toMatchObject({ lackFen: 20_00, wrong: 'take.too_little' })
  expect(sumOf([card('120', ' ')], 120_00).wrong).toBe('take.reference_missing')
  expect(sumOf([cash('')], 120_00).wrong).toBe('take.amount_wrong')
})

test('a drawer is the sum of its pieces', () => {
  expect(counted({ 10000: 2, 50: 3, 1: 7 })).toBe(200_00 + 1_50 + 7)
  expect(counted({})).toBe(0)
})

test('the picture adds up to the bill and leaves out who pays nothing', () => {
  const split = splitOf(AMOUNTS)
  const bars = barsOf(split)

  expect(bars.map((bar) => bar.name)).toEqual(['fund', 'account', 'cash'])
  expect(bars.reduce((sum, bar) => sum + bar.wide, 0)).toBeCloseTo(100)
  expect(bars.at(-1)!.from + bars.at(-1)!.wide).toBeCloseTo(100)
  expect(split.why).toEqual([
    { name: 'outside', fen: 20_00 },
    { name: 'upfront', fen: 4_68 },
    { name: 'deductible', fen: 100_00 },
  ])
  expect(barsOf(splitOf({ ...AMOUNTS, fund_pay_sumamt: 0, acct_pay: 0, psn_cash_pay: 258_60 })).length).toBe(1)
})

test('a split that does not add up is not shown', () => {
  expect(() => splitOf({ ...AMOUNTS, psn_cash_pay: 1 })).toThrow(RangeError)
})
