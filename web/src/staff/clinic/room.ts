/** The consulting room: the queue, the visit that is open, and what is done with it. */

import { computed, ref, shallowRef } from 'vue'
import { useAct } from '../act'
import { got, hospital } from '../api'
import type { Encounter, Evidence, OwnDesk, Queue, View } from '../types'

const PATH = '/hospital/v1/encounters'

export function useRoom() {
  const { act, look, busy, refusal } = useAct()
  const own = shallowRef<OwnDesk | null>(null)
  const sessionNo = ref('')
  const queue = shallowRef<Queue>({ waiting: [], called: [] })
  const visit = shallowRef<Encounter | null>(null)
  const view = shallowRef<View | null>(null)
  /** Whether the terminal of the room waits for exactly the called patient. */
  const armed = ref(false)

  const session = computed(() => own.value?.sessions.find((each) => each.session_no === sessionNo.value) ?? null)

  async function begin(): Promise<void> {
    const found = await look(() => got(hospital.GET('/hospital/v1/desk/own')))
    if (found === undefined) return
    own.value = found
    if (session.value === null) sessionNo.value = found.sessions[0]?.session_no ?? ''
  }

  async function list(): Promise<void> {
    const of = session.value
    if (of === null) return
    const params = { query: { dept_code: of.dept_code, session_no: of.session_no } }
    const found = await look(() => got(hospital.GET(`${PATH}/queue`, { params })))
    if (found === undefined) return
    queue.value = found
    const now = [...found.called, ...found.waiting].find((each) => each.encounter_no === visit.value?.encounter_no)
    if (now !== undefined) visit.value = now
  }

  async function callNext(): Promise<void> {
    const of = session.value
    if (of === null) return
    const body = { dept_code: of.dept_code, session_no: of.session_no, terminal_id: of.terminal_id ?? null }
    const called = await act(() => got(hospital.POST(`${PATH}/call-next`, { body })))
    if (called) opened(called.encounter, called.armed)
    await list()
  }

  async function call(encounter: Encounter): Promise<void> {
    const params = { path: { encounter_no: encounter.encounter_no } }
    const body = { terminal_id: session.value?.terminal_id ?? null }
    const called = await act(() => got(hospital.POST(`${PATH}/{encounter_no}/call`, { params, body })))
    if (called !== undefined) opened(called.encounter, called.armed)
    await list()
  }

  function opened(encounter: Encounter, isArmed: boolean): void {
    visit.value = encounter
    view.value = null
    armed.value = isArmed
  }

  /** Look at a visit; the look is written into the patient's log of accesses. */
  async function open(encounter: Encounter): Promise<void> {
    visit.value = encounter
    view.value = null
    await see()
  }

  async function see(): Promise<void> {
    const of = visit.value
    if (of === null) return
    const params = { path: { encounter_no: of.encounter_no } }
    const found = await act(() => got(hospital.GET('/hospital/v1/desk/encounters/{encounter_no}', { params })))
    if (found !== undefined && visit.value?.encounter_no === of.encounter_no) view.value = found
  }

  async function sitDown(evidence: Evidence | null): Promise<void> {
    const of = visit.value
    if (of === null) return
    const params = { path: { encounter_no: of.encounter_no } }
    const begun = await act(() => got(hospital.POST(`${PATH}/{encounter_no}/begin`, { params, body: { evidence } })))
    if (begun === undefined) return
    visit.value = begun
    await Promise.all([see(), list()])
  }

  async function step(name: 'missed' | 'close' | 'returned' | 'awaiting-results'): Promise<void> {
    const of = visit.value
    if (of === null) return
    const params = { path: { encounter_no: of.encounter_no } }
    const now = await act(() => {
      switch (name) {
        case 'missed':
          return got(hospital.POST(`${PATH}/{encounter_no}/missed`, { params }))
        case 'close':
          return got(hospital.POST(`${PATH}/{encounter_no}/close`, { params }))
        case 'returned':
          return got(hospital.POST(`${PATH}/{encounter_no}/returned`, { params }))
        case 'awaiting-results':
          return got(hospital.POST(`${PATH}/{encounter_no}/awaiting-results`, { params }))
      }
    })
    if (now === undefined) return
    visit.value = name === 'close' || name === 'missed' ? null : now
    if (visit.value === null) view.value = null
    await list()
  }

  return { busy, refusal, own, sessionNo, session, queue, visit, view, armed, begin, list, callNext, call, open, see, sitDown, step }
}
