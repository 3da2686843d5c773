/** What a person shows at a window, from what a clerk has typed or scanned. */

import { idTrouble } from '../../shared/idNumber'
import type { Evidence } from '../types'

export const WAYS = ['document', 'card', 'code', 'face'] as const
export type Way = (typeof WAYS)[number]

export interface Shown {
  way: Way
  /** Number of the document. */
  idNumber: string
  /** Whether the clerk has the document itself in hand. */
  seen: boolean
  cardNo: string
  pin: string
  token: string
}

export function nothingShown(way: Way = 'document'): Shown {
  return { way, idNumber: '', seen: false, cardNo: '', pin: '', token: '' }
}

/** The key of what is missing, or null when it can be sent. */
export function lacking(shown: Shown, today: Date): string | null {
  switch (shown.way) {
    case 'document':
      if (shown.idNumber.length !== 18) return 'who.number_short'
      if (idTrouble(shown.idNumber, today) !== null) return 'who.number_wrong'
      return shown.seen ? null : 'who.document_unseen'
    case 'card':
      if (shown.cardNo === '') return 'who.card_missing'
      return /^\d{6}$/.test(shown.pin) ? null : 'who.pin_missing'
    case 'code':
      return shown.token === '' ? 'who.code_missing' : null
    case 'face':
      return null
  }
}

/** The evidence for an intent; a face is taken at the terminal and never travels through here. */
export function evidenceOf(shown: Shown, intentId: string): Evidence {
  switch (shown.way) {
    case 'document':
      return { kind: 'document', id_number: shown.idNumber.toUpperCase(), intent_id: intentId }
    case 'card':
      return { kind: 'card', card_no: shown.cardNo, pin: shown.pin, intent_id: intentId }
    case 'code':
      return { kind: 'code', token: shown.token, intent_id: intentId }
    case 'face':
      throw new TypeError('a face is shown at the terminal')
  }
}
