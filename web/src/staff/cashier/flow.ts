/** A visit at the window, step by step; pure. */

import { fenOf } from '../money'
import type { Bill, BillState, Items, Standing } from '../types'

export type Step = 'find' | 'choose' | 'settle' | 'asking' | 'take' | 'done' | 'nothing'

const WAITING: ReadonlySet<BillState> = new Set(['prepared', 'reserved'])
const ASKING: ReadonlySet<BillState> = new Set(['holding', 'sent', 'unknown', 'cancelling', 'refunding', 'giving_up'])

/** The bill that has to be decided: one that waits under a slip or whose outcome is open. */
export function openBill(items: Items): Bill | null {
  const open = items.payments.filter(({ payment }) => WAITING.has(payment.state) || ASKING.has(payment.state))
  return open.at(-1)?.payment ?? null
}

/** What is settled and not yet taken at the window. */
export function unpaid(items: Items): Standing | null {
  return items.payments.find((each) => each.due_fen > 0) ?? null
}

export function isAsking(state: BillState): boolean {
  return ASKING.has(state)
}

/** Where a clerk stands with what was found. */
export function stepOf(items: Items | null, bill: Bill | null, standing: Standing | null): Step {
  if (items === null) return 'find'
  if (standing !== null) return standing.due_fen > 0 ? 'take' : 'done'
  if (bill === null) return 'nothing'
  if (isAsking(bill.state)) return 'asking'
  return WAITING.has(bill.state) ? 'settle' : 'nothing'
}

export type Asked = { by: 'slip' | 'encounter' | 'document'; text: string }

const SLIP = /^[0-9A-Za-z]{4}[ -]?[0-9A-Za-z]{4}$/
const DOCUMENT = /^\d{17}[\dXx]$/
const NUMBER = /^[0-9A-Za-z]{10,30}$/

/** What a clerk typed or scanned into the one field; null when it can be nothing that is known. */
export function askedOf(text: string): Asked | null {
  const tidy = text.trim()
  if (DOCUMENT.test(tidy)) return { by: 'document', text: tidy.toUpperCase() }
  if (SLIP.test(tidy)) return { by: 'slip', text: tidy.toUpperCase() }
  if (NUMBER.test(tidy)) return { by: 'encounter', text: tidy.toUpperCase() }
  return null
}

export type Kind = 'cash' | 'card' | 'epay'
export interface Tender {
  kind: Kind
  /** As it was typed, in yuan. */
  given: string
  reference: string
}

export interface Sum {
  givenFen: number
  /** Still to be given; 0 when it is enough. */
  lackFen: number
  /** Back in cash. */
  changeFen: number
  /** The key of what is wrong, or null. */
  wrong: string | null
}

/** Whether what was given is enough, and what goes back: only cash may be more than is due. */
export function sumOf(tenders: readonly Tender[], dueFen: number): Sum {
  let cash = 0
  let other = 0
  for (const tender of tenders) {
    const fen = fenOf(tender.given)
    if (fen === null) return { givenFen: 0, lackFen: dueFen, changeFen: 0, wrong: 'take.amount_wrong' }
    if (tender.kind === 'cash') cash += fen
    else other += fen
  }
  const givenFen = cash + other
  const lackFen = Math.max(0, dueFen - givenFen)
  const changeFen = Math.max(0, givenFen - dueFen)
  const missing = tenders.some((tender) => tender.kind !== 'cash' && tender.reference.trim() === '')
  const wrong = missing ? 'take.reference_missing' : other > dueFen ? 'take.too_much' : lackFen > 0 ? 'take.too_little' : null
  return { givenFen, lackFen, changeFen, wrong }
}

export const DENOMINATIONS = [100_00, 50_00, 20_00, 10_00, 5_00, 2_00, 1_00, 50, 20, 10, 5, 2, 1] as const

/** What a counted drawer holds. */
export function counted(pieces: Readonly<Record<number, number>>): number {
  return DENOMINATIONS.reduce((sum, fen) => sum + fen * (pieces[fen] ?? 0), 0)
}
