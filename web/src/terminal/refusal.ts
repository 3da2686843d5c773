/** A refusal as the server answers it, and those that only this side can know of. */

import type { components } from '../contract/terminal'

export type Helper = components['schemas']['Helper']
export type Finality = components['schemas']['Finality']

export interface Words {
  zh: string
  en: string
}

export interface Refusal {
  /** Stable code of the server, or `terminals.insurer_unreachable` and the like of this side. */
  code: string
  /** The scan failure whose words and clip a person gets; null where the server named none. */
  told: string | null
  message: Words
  next: Words
  helper: Helper
  finality: Finality
  details: Record<string, string | number>
}

/** Thrown by whatever talks to the server; carries what a screen needs and nothing of a person. */
export class Refused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.code)
    this.name = 'Refused'
    this.refusal = refusal
  }
}

export const UNREACHABLE: Refusal = {
  code: 'terminals.insurer_unreachable',
  told: 'network',
  message: { zh: '网络不通，正在重新连接', en: 'Connection lost. Reconnecting' },
  next: {
    zh: '会自己再试；还不通，请用旁边的机器或去窗口',
    en: 'It tries again; else the next machine',
  },
  helper: 'self',
  finality: 'temporary',
  details: {},
}

export const NO_CAMERA: Refusal = {
  code: 'terminals.camera_failed',
  told: 'no_camera',
  message: { zh: '摄像头打不开，请用身份证办理或找工作人员', en: 'Camera did not start' },
  next: {
    zh: '请用旁边的机器，或去窗口；医保卡、医保码都行',
    en: 'Use the next machine or a window; card and code work too',
  },
  helper: 'technician',
  finality: 'temporary',
  details: {},
}

export const NOT_UNDERSTOOD: Refusal = {
  code: 'web.fault',
  told: 'system',
  message: { zh: '这次没有办成，请换别的方式办', en: 'That did not work; please use another way' },
  next: {
    zh: '用医保卡、医保码或身份证；窗口也能办',
    en: 'Use the card, the code or the ID card, or a window',
  },
  helper: 'technician',
  finality: 'unknown',
  details: {},
}

interface Wire {
  code?: unknown
  told?: unknown
  message?: unknown
  next?: unknown
  helper?: unknown
  finality?: unknown
  details?: unknown
}

/** The refusal of a problem+json body or a `refused` message; a stranger's body is a fault. */
export function refusalOf(body: unknown): Refusal {
  const wire = (body ?? {}) as Wire
  const message = wordsOf(wire.message)
  if (typeof wire.code !== 'string' || message === null) return NOT_UNDERSTOOD
  return {
    code: wire.code,
    told: typeof wire.told === 'string' ? wire.told : null,
    message,
    next: wordsOf(wire.next) ?? NOT_UNDERSTOOD.next,
    helper: (wire.helper as Helper | undefined) ?? 'clerk',
    finality: (wire.finality as Finality | undefined) ?? 'unknown',
    details: (wire.details as Record<string, string | number> | undefined) ?? {},
  }
}

function wordsOf(found: unknown): Words | null {
  const words = found as Partial<Words> | null | undefined
  return typeof words?.zh === 'string' && typeof words.en === 'string'
    ? { zh: words.zh, en: words.en }
    : null
}
