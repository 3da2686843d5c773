/** A bill in parts: who pays what, in fen. Whole numbers that add up, or it is not shown. */

export interface Split {
  totalFen: number
  /** Paid by the insurance funds. */
  fundFen: number
  /** From the personal account. */
  accountFen: number
  /** What is left for the person to pay now. */
  restFen: number
  /** Of the person's own share: inside insurance (自付), and outside of it (自费). */
  outsideFen: number
  upfrontFen: number
  deductibleFen: number
}

export type Part = { key: 'fund' | 'account' | 'rest'; fen: number; percent: number }

/** The parts of the picture; throws when they do not add up, because a wrong picture is worse. */
export function partsOf(split: Split): readonly Part[] {
  const { totalFen, fundFen, accountFen, restFen } = split
  if (fundFen + accountFen + restFen !== totalFen) throw new RangeError('a split that does not add up')
  const percent = (fen: number): number => (totalFen === 0 ? 0 : (100 * fen) / totalFen)
  return [
    { key: 'fund', fen: fundFen, percent: percent(fundFen) },
    { key: 'account', fen: accountFen, percent: percent(accountFen) },
    { key: 'rest', fen: restFen, percent: percent(restFen) },
  ]
}
