/** One scan at the terminal beside a desk: asked for, watched, and used by its number. */

import { onBeforeUnmount, ref, shallowRef } from 'vue'
import { useAct } from '../act'
import { useAgain } from '../again'
import { got, hospital } from '../api'
import type { Asked, DeskKind, Evidence } from '../types'

const PATH = '/hospital/v1/handovers'
const WATCH_MS = 1_000

export function handedOver(asked: Asked): Evidence {
  return { kind: 'handed_over', asked_no: asked.asked_no }
}

/** Asks the terminal and tells `handed` once when the proof lies at the hospital. */
export function useAtDesk(desk: DeskKind, handed: (asked: Asked) => void) {
  const { act, look, busy, refusal } = useAct()
  const asked = shallowRef<Asked | null>(null)
  const fromWallet = ref(true)

  async function ask(terminal: string, subject: string): Promise<void> {
    const body = { desk, terminal_id: terminal, subject, from_wallet: fromWallet.value }
    const made = await act(() => got(hospital.POST(PATH, { body })))
    if (made !== undefined) asked.value = made
  }

  async function watch(): Promise<void> {
    const of = asked.value
    if (of === null || !['waiting', 'refused'].includes(of.state)) return
    const params = { path: { asked_no: of.asked_no } }
    const now = await look(() => got(hospital.GET(`${PATH}/{asked_no}`, { params })))
    if (asked.value?.asked_no !== of.asked_no) return
    if (now === undefined) {
      // It is over: somebody asked anew, or nobody came.
      asked.value = null
      return
    }
    asked.value = now
    if (now.state === 'handed_over') handed(now)
  }

  async function end(): Promise<void> {
    const of = asked.value
    asked.value = null
    if (of === null) return
    const params = { path: { asked_no: of.asked_no } }
    await look(() => got(hospital.DELETE(`${PATH}/{asked_no}`, { params })))
  }

  useAgain(watch, WATCH_MS)
  onBeforeUnmount(() => void end())
  return { asked, fromWallet, ask, end, busy, refusal }
}
