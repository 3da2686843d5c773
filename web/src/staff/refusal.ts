/** What the server refuses, and what only this side can know of: words, next step, who can help. */

import type { Pair } from './types'

export type Helper = 'self' | 'clerk' | 'insurer' | 'technician'

export interface Refusal {
  code: string
  message: Pair
  next: Pair
  helper: Helper
  finality: 'final' | 'temporary' | 'unknown'
  details: Readonly<Record<string, unknown>>
  /** Number of the request in the server's log; none where no answer came. */
  requestId: string | null
}

export class Refused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.code)
    this.name = 'Refused'
    this.refusal = refusal
  }
}

export const OFFLINE: Refusal = {
  code: 'staff.offline',
  message: { zh: '连不上服务器，不知道这件事办成没有', en: 'The server does not answer; it is not known whether this was done' },
  next: { zh: '网络恢复后再按一次，同一件事不会办两次', en: 'Press again once the network is back; nothing is done twice' },
  helper: 'technician',
  finality: 'unknown',
  details: {},
  requestId: null,
}

const UNTOLD: Refusal = {
  ...OFFLINE,
  code: 'staff.untold',
  message: { zh: '服务器的回答看不懂', en: 'The server answered something that is not understood' },
  next: { zh: '请刷新页面；还不行，请找技术人员', en: 'Reload the page; else call a technician' },
}

const SIGNED_OUT = new Set(['staff.signed_out', 'staff.sign_in_again'])

/** Whether the person must sign in again. */
export function signedOut(refusal: Refusal): boolean {
  return SIGNED_OUT.has(refusal.code)
}

/** The refusal in a problem document (RFC 9457); what is no such document is told as such. */
export function refusalOf(problem: unknown): Refusal {
  if (typeof problem !== 'object' || problem === null) return UNTOLD
  const found = problem as Partial<Refusal> & { request_id?: string }
  if (found.code === undefined || found.message === undefined || found.next === undefined) return UNTOLD
  return {
    code: found.code,
    message: found.message,
    next: found.next,
    helper: found.helper ?? 'technician',
    finality: found.finality ?? 'final',
    details: found.details ?? {},
    requestId: found.request_id ?? null,
  }
}
