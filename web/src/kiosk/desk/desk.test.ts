import { describe, expect, it } from 'vitest'
import { agreesToPay, asked, type State, type Wanted } from './desk'

const wanted = (no: string): Wanted => ({
  asked_no: no,
  desk: 'cashier',
  masked_name: '张*',
  intent_id: 'I1',
  scene: '01301',
  amount_max_fen: 3000,
  from_wallet_fen: 0,
  amounts: null,
})

describe('what the desk asks', () => {
  it('is shown when nobody stands there', () => {
    expect(asked({ at: 'waiting' }, wanted('A'))).toEqual({ at: 'asked', wanted: wanted('A') })
  })

  it('leaves whoever is at it alone while it is the same', () => {
    const state: State = { at: 'scan', wanted: wanted('A'), ticks: ['comparison'] }
    expect(asked(state, wanted('A'))).toBe(state)
  })

  it('clears what stood there when it is another or none', () => {
    const state: State = { at: 'notice', wanted: wanted('A'), ticks: [] }
    expect(asked(state, wanted('B'))).toEqual({ at: 'asked', wanted: wanted('B') })
    expect(asked(state, null)).toEqual({ at: 'waiting' })
  })

  it('takes nothing from an account that the person did not tick', () => {
    expect(agreesToPay(['comparison', 'template'])).toBe(false)
    expect(agreesToPay(['comparison', 'one_scan_payment'])).toBe(true)
  })

  it('does not cut off a confirmation that is on its way', () => {
    const state: State = { at: 'sending', wanted: wanted('A') }
    expect(asked(state, null)).toBe(state)
  })
})
