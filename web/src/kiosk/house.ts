/** Where this terminal stands, for what is printed. */

import type { InjectionKey } from 'vue'

export interface House {
  institution: string
  sandbox: boolean
}

export const HOUSE: InjectionKey<House> = Symbol('house')
