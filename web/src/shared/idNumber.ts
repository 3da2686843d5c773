/** The number of an ID card (GB 11643), looked at while it is typed; the server decides. */

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
const CHECK = '10X98765432'
export const ID_LENGTH = 18

export type IdTrouble = 'date' | 'check'

/** The check character of the first 17 digits. */
export function checkCharacter(body: string): string {
  const sum = WEIGHTS.reduce((total, weight, at) => total + weight * Number(body.charAt(at)), 0)
  return CHECK.charAt(sum % 11)
}

/** What is wrong with a whole number, as soon as it can be told; null while nothing is. */
export function idTrouble(number: string, today: Date): IdTrouble | null {
  if (number.length >= 14 && !isDate(number.slice(6, 14), today)) return 'date'
  if (number.length < ID_LENGTH) return null
  return checkCharacter(number.slice(0, 17)) === number.charAt(17).toUpperCase() ? null : 'check'
}

/** Whether another key may follow: X stands at the end alone. */
export function mayFollow(typed: string, key: string): boolean {
  if (typed.length >= ID_LENGTH) return false
  return /^\d$/.test(key) || (key === 'X' && typed.length === ID_LENGTH - 1)
}

function isDate(text: string, today: Date): boolean {
  const [year, month, day] = [text.slice(0, 4), text.slice(4, 6), text.slice(6)].map(Number) as [
    number,
    number,
    number,
  ]
  const date = new Date(Date.UTC(year, month - 1, day))
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return exists && year >= 1850 && date.getTime() <= today.getTime()
}
