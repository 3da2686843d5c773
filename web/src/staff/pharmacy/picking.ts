/** What is set aside for a prescription: boxes by their trace codes; pure. */

import type { Request } from '../types'

type Line = Request['lines'][number]

export interface Picked {
  lineNo: number
  quantity: string
  codes: string[]
  exception: '' | 'decoction_pieces' | 'split_pack'
  reason: string
}

/** One entry for each line of which something is owed. */
export function pickedOf(lines: readonly Line[]): Picked[] {
  return lines
    .filter((line) => Number(line.owed) > 0)
    .map((line) => ({ lineNo: line.line_no, quantity: String(Number(line.owed)), codes: [], exception: '', reason: '' }))
}

/** How many codes of a line are still to be scanned. */
export function wanting(line: Line, picked: Picked): number {
  if (!line.needs_codes || picked.exception !== '') return 0
  return Math.max(0, Math.ceil(Number(picked.quantity)) - picked.codes.length)
}

export type Scan = 'taken' | 'again' | 'full'

/** Give a scanned code to the line that is chosen, or to the first that wants one. */
export function scanned(code: string, lines: readonly Line[], all: readonly Picked[], chosen: number | null): Scan {
  if (all.some((each) => each.codes.includes(code))) return 'again'
  const byNo = new Map(lines.map((line) => [line.line_no, line]))
  const wants = (each: Picked): boolean => {
    const line = byNo.get(each.lineNo)
    return line !== undefined && wanting(line, each) > 0
  }
  const found = all.find((each) => each.lineNo === chosen && wants(each)) ?? all.find(wants)
  if (found === undefined) return 'full'
  found.codes.push(code)
  return 'taken'
}

/** Whether everything that goes out has its codes or a reason why not. */
export function complete(lines: readonly Line[], all: readonly Picked[]): boolean {
  return lines.every((line) => {
    const picked = all.find((each) => each.lineNo === line.line_no)
    if (picked === undefined) return true
    return Number(picked.quantity) >= 0 && wanting(line, picked) === 0 && (picked.exception === '' || picked.reason.trim() !== '')
  })
}

export function takenOf(all: readonly Picked[]) {
  return all
    .filter((each) => Number(each.quantity) > 0)
    .map((each) => ({
      line_no: each.lineNo,
      quantity: each.quantity,
      codes: each.codes,
      exception: each.exception === '' ? null : each.exception,
      reason: each.reason.trim(),
      mother_code: null,
    }))
}

export const WRONG_PERSON = 'hospital.dispense_other_person'
