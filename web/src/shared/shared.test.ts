import { expect, test } from 'vitest'
import { checkCharacter, idTrouble, mayFollow } from './idNumber'
import { yuan } from './money'

const TODAY = new Date('2026-11-29T00:00:00Z')
const BODY = '99000019620314018'

test('a number with its check character is right, with another one it is named at once', () => {
  const right = BODY + checkCharacter(BODY)
  const wrong = BODY + (right.endsWith('1') ? '2' : '1')

  expect(idTrouble(right, TODAY)).toBeNull()
  expect(idTrouble(wrong, TODAY)).toBe('check')
})

test('the published example of GB 11643 has its check character', () => {
  expect(checkCharacter('11010519491231002')).toBe('X')
  expect(idTrouble('11010519491231002x', TODAY)).toBeNull()
})

test('an impossible date is named as soon as it stands there', () => {
  expect(idTrouble('9900001962023', TODAY)).toBeNull()
  expect(idTrouble('99000019620230', TODAY)).toBe('date')
  expect(idTrouble('99000020270101', TODAY)).toBe('date')
})

test('X may stand at the end alone, and nothing follows the end', () => {
  expect(mayFollow('1'.repeat(17), 'X')).toBe(true)
  expect(mayFollow('1'.repeat(16), 'X')).toBe(false)
  expect(mayFollow('1'.repeat(18), '1')).toBe(false)
  expect(mayFollow('1', 'a')).toBe(false)
})

test('money is shown to the fen', () => {
  expect([0, 5, 120, 25860, -50].map(yuan)).toEqual(['0.00', '0.05', '1.20', '258.60', '-0.50'])
})
