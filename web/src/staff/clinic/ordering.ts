/** A draft of an order while it is written; pure. */

import type { Item, OrderKind } from '../types'

type Category = Item['category']

/** Which items may stand on which kind of order. */
export const CATEGORIES: Readonly<Record<OrderKind, readonly Category[]>> = {
  prescription: ['medicine'],
  examination: ['exam'],
  laboratory: ['lab'],
  treatment: ['treatment', 'material', 'service'],
}
export const KINDS: readonly OrderKind[] = ['prescription', 'examination', 'laboratory', 'treatment']
export const ROUTES = ['口服', '外用', '静脉滴注', '肌内注射', '皮下注射', '吸入'] as const
export const FREQUENCIES = ['每日一次', '每日两次', '每日三次', '每晚一次', '必要时'] as const

export interface Line {
  item: Item
  count: string
  dose: string
  route: string
  frequency: string
  days: string
}

export function lineOf(item: Item): Line {
  return { item, count: '1', dose: '', route: ROUTES[0], frequency: FREQUENCIES[2], days: '7' }
}

/** The key of what is missing, or null when it can be drafted. */
export function lackingIn(kind: OrderKind, lines: readonly Line[]): string | null {
  if (lines.length === 0) return 'orders.lack_lines'
  if (lines.some((line) => !(Number(line.count) > 0))) return 'orders.lack_count'
  if (kind !== 'prescription') return null
  return lines.every((line) => line.dose.trim() !== '' && Number.isInteger(Number(line.days)) && Number(line.days) > 0)
    ? null
    : 'orders.lack_use'
}

export function bodyOf(kind: OrderKind, lines: readonly Line[]) {
  return lines.map((line) => ({
    code: line.item.code,
    count: line.count,
    use:
      kind === 'prescription'
        ? { dose: line.dose.trim(), route: line.route, frequency: line.frequency, days: Number(line.days) }
        : null,
  }))
}
