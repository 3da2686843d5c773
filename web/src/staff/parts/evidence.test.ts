import { expect, test } from 'vitest'
import { checkCharacter } from '../../shared/idNumber'
import { evidenceOf, lacking, nothingShown } from './evidence'

const TODAY = new Date('2026-11-29T00:00:00Z')
const BODY = '99000019620314018'
const NUMBER = BODY + checkCharacter(BODY)

test('a document counts when it is whole, right and was seen', () => {
  const shown = { ...nothingShown(), idNumber: NUMBER.slice(0, 17) }

  expect(lacking(shown, TODAY)).toBe('who.number_short')
  expect(lacking({ ...shown, idNumber: NUMBER.slice(0, 17) + (NUMBER.endsWith('1') ? '2' : '1') }, TODAY)).toBe('who.number_wrong')
  expect(lacking({ ...shown, idNumber: NUMBER }, TODAY)).toBe('who.document_unseen')
  expect(lacking({ ...shown, idNumber: NUMBER, seen: true }, TODAY)).toBeNull()
})

test('a card needs its PIN, a code its scan, a face nothing of this page', () => {
  expect(lacking({ ...nothingShown('card'), cardNo: 'C1' }, TODAY)).toBe('who.pin_missing')
  expect(lacking({ ...nothingShown('card'), cardNo: 'C1', pin: '123456' }, TODAY)).toBeNull()
  expect(lacking(nothingShown('code'), TODAY)).toBe('who.code_missing')
  expect(lacking(nothingShown('face'), TODAY)).toBeNull()
})

test('the evidence is of exactly the bill that was shown', () => {
  const shown = { ...nothingShown(), idNumber: NUMBER.toLowerCase(), seen: true }

  expect(evidenceOf(shown, 'I1')).toEqual({ kind: 'document', id_number: NUMBER, intent_id: 'I1' })
  expect(() => evidenceOf(nothingShown('face'), 'I1')).toThrow(TypeError)
})
