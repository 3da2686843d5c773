/** On whose listener these pages are, told before anybody signs in. */

import type { Pair } from './types'

export interface House extends Pair {
  code: string
}

export interface About {
  origin: string
  side: 'hospital' | 'insurer'
  sandbox: boolean
  institution: House | null
  /** Of the insurer: whose first administrators its supervisors approve. */
  hospitals: readonly House[]
  /** In the sandbox: the pages of the stand-ins. */
  stand_ins: Readonly<Record<string, string>>
}

export async function loadAbout(): Promise<About> {
  const answer = await fetch(`${import.meta.env.BASE_URL}settings.json`)
  return (await answer.json()) as About
}
