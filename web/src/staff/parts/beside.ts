/** Which terminal stands beside this desk: chosen once, kept in this browser. */

import { onMounted, ref, shallowRef, watch } from 'vue'
import { got, hospital } from '../api'
import { Refused } from '../refusal'

const KEPT = 'shualian.staff.terminal'

export interface Beside {
  value: string
  label: string
}

/** The active terminals of the house, and which one was chosen for this kind of desk. */
export function useBeside(desk: string) {
  const key = `${KEPT}.${desk}`
  const terminals = shallowRef<readonly Beside[]>([])
  const chosen = ref(localStorage.getItem(key) ?? '')

  onMounted(async () => {
    try {
      const [places, enrolled] = await Promise.all([
        got(hospital.GET('/terminals/places')),
        got(hospital.GET('/terminals/enrolments')),
      ])
      const names = new Map(places.map((each) => [each.place_id, each.name]))
      terminals.value = enrolled
        .filter((each) => each.state === 'active')
        .map((each) => ({ value: each.terminal_id, label: names.get(each.place_id) ?? each.terminal_id }))
    } catch (error) {
      // The desk works without a terminal beside it.
      if (!(error instanceof Refused)) throw error
    }
  })
  watch(chosen, (id) => localStorage.setItem(key, id))

  return { terminals, chosen }
}
