import { describe, expect, it } from 'vitest'
import { rangeOf } from './range'

describe('the range of a value', () => {
  it('names both bounds, or the one that there is', () => {
    expect(rangeOf('3.5', '9.5')).toBe('3.5–9.5')
    expect(rangeOf('3.5', null)).toBe('≥ 3.5')
    expect(rangeOf(null, null)).toBe('')
  })

  it('of an upper bound alone does not look negative', () => {
    expect(rangeOf(null, '9.5')).toBe('≤ 9.5')
  })
})
