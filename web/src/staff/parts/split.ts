/** A bill in parts that add up to its total; the same idea as on the kiosk, with more of the why. */

import type { Amounts } from '../types'


export interface Split {
  totalFen: number
  fundFen: number
  accountFen: number
  cashFen: number
  /** Why something is left for the person: of the whole own share, whoever pays it. */
  why: readonly { name: 'outside' | 'upfront' | 'deductible'; fen: number }[]
}

/** The split of a bill; throws where it does not add up, because a wrong picture is worse than none. */
export function splitOf(amounts: Amounts): Split {
  const fundFen = amounts.fund_pay_sumamt
  const accountFen = amounts.acct_pay + amounts.acct_mulaid_pay
  const cashFen = amounts.psn_cash_pay
  const sum = fundFen + accountFen + cashFen + amounts.hosp_part_amt
  if (sum !== amounts.medfee_sumamt) throw new RangeError('a split that does not add up')
  const why = [
    { name: 'outside' as const, fen: amounts.fulamt_ownpay_amt + amounts.overlmt_selfpay },
    { name: 'upfront' as const, fen: amounts.preselfpay_amt },
    { name: 'deductible' as const, fen: amounts.act_pay_dedc },
  ]
  return { totalFen: amounts.medfee_sumamt, fundFen, accountFen, cashFen, why: why.filter((each) => each.fen > 0) }
}

export interface Bar {
  name: 'fund' | 'account' | 'cash'
  fen: number
  from: number
  wide: number
}

/** The bars of the picture, side by side; nothing for who pays nothing. */
export function barsOf(split: Split): readonly Bar[] {
  const parts = [
    { name: 'fund' as const, fen: split.fundFen },
    { name: 'account' as const, fen: split.accountFen },
    { name: 'cash' as const, fen: split.cashFen },
  ]
  let from = 0
  return parts
    .filter((part) => part.fen > 0)
    .map((part) => {
      const wide = (100 * part.fen) / split.totalFen
      const bar = { ...part, from, wide }
      from += wide
      return bar
    })
}
