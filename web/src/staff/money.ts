/** What a person types as yuan, in fen; null where it is no amount. */

export { yuan } from '../shared/money'

export function fenOf(text: string): number | null {
  const found = /^\s*(\d{1,7})(?:[.。](\d{0,2}))?\s*$/.exec(text)
  if (found === null) return null
  return Number(found[1]) * 100 + Number((found[2] ?? '').padEnd(2, '0') || '0')
}
