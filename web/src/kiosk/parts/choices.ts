/** Sessions of the hospital as people choose among them. */

import type { Words } from '../../terminal/refusal'
import type { Department, Session } from '../hospital'
import type { Slot } from '../screens/Doctors.vue'
import { dayWords, timeOf } from './times'

export interface Offered {
  department: Department
  /** Numbers that are left, of all its sessions together. */
  left: number
}

/** Departments that have a session, in the hospital's order. */
export function departmentsOf(sessions: readonly Session[]): readonly Offered[] {
  const found = new Map<string, Offered>()
  for (const { department, left } of sessions) {
    const before = found.get(department.dept_code)?.left ?? 0
    found.set(department.dept_code, { department, left: before + left })
  }
  return [...found.values()].sort((one, other) =>
    one.department.dept_code.localeCompare(other.department.dept_code),
  )
}

export function daysOf(sessions: readonly Session[]): readonly { day: string; words: Words; left: number }[] {
  const left = new Map<string, number>()
  for (const each of sessions) left.set(each.day, (left.get(each.day) ?? 0) + each.left)
  return [...left].sort().map(([day, count]) => ({ day, words: dayWords(day), left: count }))
}

export function slotOf(session: Session): Slot {
  return {
    id: session.session_no,
    doctor: session.doctor.name,
    title: session.doctor.title_words,
    from: timeOf(session.starts_at),
    to: timeOf(session.ends_at),
    date: dayWords(session.day),
    left: session.left,
    feeFen: session.fee_fen,
  }
}
