/** Hospitals by their names, where a list knows only their codes. */

import { inject } from 'vue'
import { SESSION } from '../session'
import { useWords } from '../words'

export function useHouses(): (code: string) => string {
  const about = inject(SESSION)!.about
  const { of } = useWords()
  const known = new Map([...about.hospitals, ...(about.institution ? [about.institution] : [])].map((each) => [each.code, each]))
  return (code) => {
    const found = known.get(code)
    return found === undefined ? code : of(found)
  }
}
