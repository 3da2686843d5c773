/** A bill in parts: who pays what, in fen. Whole numbers that add up, or it is not shown. */

import type { components } from '../../contract/terminal'

type Shown = components['schemas']['SplitAnswer']

export interface Split {
  totalFen: number
  /** Paid by the insurance funds. */
  fundFen: number
  /** From the personal account, the own one and the family's. */
  accountFen: number
  /** Borne by the hospital; mostly nothing. */
  hospitalFen: number
  /** What is left for the person to pay now. */
  restFen: number
  /** Of the person's own share: outside of insurance (自费 and over the price limit). */
  outsideFen: number
  upfrontFen: number
  deductibleFen: number
}

export type Part = { key: 'fund' | 'account' | 'hospital' | 'rest'; fen: number; percent: number }

/** A split as the hospital tells it, by the names of the national interface. */
export function splitOf(shown: Shown): Split {
  return {
    totalFen: shown.medfee_sumamt,
    fundFen: shown.fund_pay_sumamt,
    accountFen: shown.acct_pay + shown.acct_mulaid_pay,
    hospitalFen: shown.hosp_part_amt,
    restFen: shown.psn_cash_pay,
    outsideFen: shown.fulamt_ownpay_amt + shown.overlmt_selfpay,
    upfrontFen: shown.preselfpay_amt,
    deductibleFen: shown.act_pay_dedc,
  }
}

/** The parts of the picture; throws when they do not add up, because a wrong picture is worse. */
export function partsOf(split: Split): readonly Part[] {
  const { totalFen, fundFen, accountFen, hospitalFen, restFen } = split
  if (fundFen + accountFen + hospitalFen + restFen !== totalFen)
    throw new RangeError('a split that does not add up')
  const part = (key: Part['key'], fen: number): Part => ({
    key,
    fen,
    percent: totalFen === 0 ? 0 : (100 * fen) / totalFen,
  })
  const hospital = hospitalFen > 0 ? [part('hospital', hospitalFen)] : []
  return [part('fund', fundFen), part('account', accountFen), ...hospital, part('rest', restFen)]
}
