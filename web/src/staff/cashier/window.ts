/** The clerk's window: what is found, the bill, its settlement, the money; one thing after another. */

import { computed, ref, shallowRef } from 'vue'
import { useAct } from '../act'
import { got, hospital } from '../api'
import { newCommand } from '../command'
import { fenOf } from '../money'
import { evidenceOf, nothingShown, type Shown } from '../parts/evidence'
import { splitOf } from '../parts/split'
import { handedOver } from '../parts/atDesk'
import type { Asked, Bill, Items, Receipt, Standing } from '../types'
import { askedOf, isAsking, openBill, stepOf, sumOf, unpaid, type Tender } from './flow'

const PATH = '/hospital/v1/cashier'

export function useWindow() {
  const { act, look, busy, refusal } = useAct()
  const found = shallowRef<readonly Items[]>([])
  const items = shallowRef<Items | null>(null)
  const bill = shallowRef<Bill | null>(null)
  const standing = shallowRef<Standing | null>(null)
  const receipt = shallowRef<Receipt | null>(null)
  const shown = ref<Shown>(nothingShown())
  const tenders = ref<Tender[]>([])
  const overrideId = ref<string | null>(null)
  /** Somebody was found who has nothing open. */
  const nothingOpen = ref(false)
  /** Of the taking: kept while it is the same money, so that a second press takes nothing twice. */
  let taking = newCommand()

  const step = computed(() =>
    items.value === null && found.value.length > 1 ? 'choose' : stepOf(items.value, bill.value, standing.value),
  )
  const amounts = computed(() => standing.value?.payment.amounts ?? bill.value?.amounts ?? null)
  const split = computed(() => (amounts.value === null ? null : splitOf(amounts.value)))
  const dueFen = computed(() => standing.value?.due_fen ?? 0)
  const sum = computed(() => sumOf(tenders.value, dueFen.value))

  function clear(): void {
    found.value = []
    items.value = bill.value = standing.value = receipt.value = null
    shown.value = nothingShown()
    tenders.value = []
    overrideId.value = refusal.value = null
    nothingOpen.value = false
    taking = newCommand()
  }

  async function find(text: string): Promise<void> {
    const asked = askedOf(text)
    if (asked === null) return
    clear()
    const answered = await act(() => lookUp(asked.by, asked.text))
    if (answered === undefined) return
    if (asked.by === 'document') shown.value.idNumber = asked.text
    await foundThese(answered)
  }

  /** Whose card or code it is. What was shown stays: the person goes on to settle with it. */
  async function findShown(): Promise<void> {
    const evidence = evidenceOf(shown.value, 'lookup')
    const answered = await act(() => got(hospital.POST(`${PATH}/people`, { body: { evidence } })))
    if (answered === undefined) return
    await foundThese(answered)
  }

  async function foundThese(these: readonly Items[]): Promise<void> {
    found.value = these
    nothingOpen.value = these.length === 0
    const only = these.length === 1 ? these[0] : undefined
    if (only !== undefined) await choose(only)
  }

  async function choose(chosen: Items): Promise<void> {
    items.value = chosen
    standing.value = unpaid(chosen)
    bill.value = openBill(chosen)
    if (standing.value !== null) readyToTake()
    else if (bill.value === null && chosen.batches.length > 0) await prepare()
  }

  /** Show who would pay what; moves nothing. */
  async function prepare(): Promise<void> {
    const of = items.value
    if (of === null) return
    const body = { command_id: newCommand(), encounter_no: of.encounter_no, acct_used_flag: true }
    const made = await act(() => got(hospital.POST(`${PATH}/payments`, { body })))
    if (made !== undefined) bill.value = made
  }

  async function settle(): Promise<void> {
    const of = bill.value
    if (of === null) return
    const evidence = evidenceOf(shown.value, of.intent_id)
    const params = { path: { payment: of.payment } }
    const body = { evidence, from_wallet_fen: 0, override_id: overrideId.value }
    const made = await act(() => got(hospital.POST(`${PATH}/payments/{payment}/settlement`, { params, body })))
    // The PIN and the code were good for this once.
    shown.value.pin = shown.value.token = ''
    if (made === undefined) return
    bill.value = made
    await refresh()
  }

  /** The terminal beside has handed the face over: settle with it. */
  async function settleHanded(asked: Asked): Promise<void> {
    const of = bill.value
    if (of === null) return
    const params = { path: { payment: of.payment } }
    const body = { evidence: handedOver(asked), from_wallet_fen: asked.from_wallet_fen, override_id: null }
    const made = await act(() => got(hospital.POST(`${PATH}/payments/{payment}/settlement`, { params, body })))
    if (made !== undefined) bill.value = made
    await refresh()
  }

  /** Let the bill wait for the face at the terminal beside, under its slip. */
  async function waitForFace(): Promise<void> {
    const of = bill.value
    if (of === null || of.slip_no !== null) return
    const params = { path: { command_id: of.payment } }
    const made = await act(() => got(hospital.POST('/hospital/v1/payments/{command_id}/reserve', { params })))
    if (made !== undefined) bill.value = { ...of, state: made.state, slip_no: made.slip_no }
  }

  /** How the bill stands now: settled at the terminal, or an outcome that has come. */
  async function refresh(): Promise<void> {
    const of = items.value
    if (of === null) return
    const params = { path: { encounter_no: of.encounter_no } }
    const now = await look(() => got(hospital.GET(`${PATH}/encounters/{encounter_no}`, { params })))
    if (now === undefined || items.value?.encounter_no !== now.encounter_no) return
    const number = bill.value?.payment
    items.value = now
    const same = now.payments.find((each) => each.payment.payment === number)
    if (same === undefined) return
    bill.value = same.payment
    if (same.payment.state === 'settled') {
      standing.value = same
      if (same.due_fen > 0) readyToTake()
      else await print()
    }
  }

  async function resolve(): Promise<void> {
    const of = bill.value
    if (of === null) return
    const params = { path: { command_id: of.payment } }
    await act(() => got(hospital.POST('/hospital/v1/payments/{command_id}/resolve', { params })))
    await refresh()
  }

  function readyToTake(): void {
    if (tenders.value.length === 0) tenders.value = [{ kind: 'cash', given: '', reference: '' }]
  }

  async function take(): Promise<void> {
    const of = standing.value
    if (of === null || sum.value.wrong !== null) return
    const params = { path: { payment: of.payment.payment } }
    const body = {
      command_id: taking,
      tenders: tenders.value.map((each) => ({
        kind: each.kind,
        given_fen: fenOf(each.given) ?? 0,
        reference: each.reference.trim(),
      })),
    }
    const taken = await act(() => got(hospital.POST(`${PATH}/payments/{payment}/taking`, { params, body })))
    if (taken === undefined) return
    const paid = { ...of, due_fen: 0, taking: taken }
    standing.value = paid
    const known = items.value
    if (known !== null) {
      const payments = known.payments.map((each) => (each.payment.payment === of.payment.payment ? paid : each))
      items.value = { ...known, payments }
    }
    await print()
  }

  async function print(language: 'zh' | 'en' = 'zh'): Promise<void> {
    const of = standing.value
    if (of === null) return
    const params = { path: { payment: of.payment.payment }, query: { language } }
    const found = await look(() => got(hospital.GET(`${PATH}/payments/{payment}/receipt`, { params })))
    if (found !== undefined) receipt.value = found
  }

  /** Ask a second person to allow a large bill on a document that one clerk has seen. */
  async function propose(reason: Override, text: string): Promise<void> {
    const of = bill.value
    if (of === null) return
    const body = {
      command_id: newCommand(),
      kind: 'settle_without_face' as const,
      payment: of.payment,
      amount_fen: of.amounts.psn_cash_pay,
      reason,
      text,
    }
    const made = await act(() => got(hospital.POST(`${PATH}/overrides`, { body })))
    if (made !== undefined) overrideId.value = made.override_id
  }

  return {
    busy, refusal, found, items, bill, standing, receipt, shown, tenders, overrideId, nothingOpen,
    step, split, dueFen, sum,
    asking: computed(() => bill.value !== null && isAsking(bill.value.state)),
    clear, find, findShown, choose, prepare, settle, settleHanded, waitForFace, refresh, resolve, take, print, propose,
  }
}

export const REASONS = ['terminal_broken', 'person_cannot_scan', 'person_declines_face', 'other'] as const
type Override = (typeof REASONS)[number]

async function lookUp(by: 'slip' | 'encounter' | 'document', text: string): Promise<readonly Items[]> {
  if (by === 'document') {
    const evidence = { kind: 'document' as const, id_number: text, intent_id: 'lookup' }
    return got(hospital.POST(`${PATH}/people`, { body: { evidence } }))
  }
  if (by === 'slip') {
    return [await got(hospital.GET(`${PATH}/slips/{slip_no}`, { params: { path: { slip_no: text } } }))]
  }
  return [await got(hospital.GET(`${PATH}/encounters/{encounter_no}`, { params: { path: { encounter_no: text } } }))]
}
