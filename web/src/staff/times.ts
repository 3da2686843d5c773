/** Moments as people in China read them, wherever the machine stands. */

const ZONE = 'Asia/Shanghai'

export function clock(moment: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone: ZONE, hour: '2-digit', minute: '2-digit' }).format(new Date(moment))
}

export function dayAndClock(moment: string): string {
  return `${day(moment).slice(5)} ${clock(moment)}`
}

export function day(moment: string | Date): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: ZONE }).format(new Date(moment))
}

export function today(): string {
  return day(new Date())
}

export function daysAgo(days: number): string {
  return day(new Date(Date.now() - days * 86_400_000))
}
