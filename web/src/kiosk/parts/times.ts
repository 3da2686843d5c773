/** Days and times as people say them; always China's, whatever the machine is set to. */

import type { Words } from '../../terminal/refusal'

const ZONE = 'Asia/Shanghai'
const HOURS = new Intl.DateTimeFormat('en-GB', { timeZone: ZONE, hour: '2-digit', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat('en-CA', { timeZone: ZONE })
const ZH = new Intl.DateTimeFormat('zh-CN', { timeZone: 'UTC', month: 'long', day: 'numeric', weekday: 'short' })
const EN = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', month: 'short', day: 'numeric', weekday: 'short' })
const NAMED: readonly Words[] = [
  { zh: '今天', en: 'Today' },
  { zh: '明天', en: 'Tomorrow' },
]

/** `HH:MM` of a moment. */
export function timeOf(moment: string): string {
  return HOURS.format(new Date(moment))
}

/** `YYYY-MM-DD` of a moment. */
export function dayOf(moment: string | Date): string {
  return DAY.format(new Date(moment))
}

/** A day such as `2026-11-30`: 今天, 明天, or date and weekday. */
export function dayWords(day: string, now: Date = new Date()): Words {
  const days = (Date.parse(day) - Date.parse(dayOf(now))) / 86_400_000
  const date = new Date(`${day}T00:00:00Z`)
  return NAMED[days] ?? { zh: ZH.format(date), en: EN.format(date) }
}

/** Day and time, such as 明天 10:24; the day is the session's, which may end after midnight. */
export function momentWords(day: string, moment: string): Words {
  const { zh, en } = dayWords(day)
  const time = timeOf(moment)
  return { zh: `${zh} ${time}`, en: `${en} ${time}` }
}
