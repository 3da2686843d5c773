import { expect, test } from 'vitest'
import type { Request } from '../types'
import { complete, pickedOf, scanned, takenOf, wanting } from './picking'

type Line = Request['lines'][number]

function line(no: number, owed: string, needsCodes = true): Line {
  return {
    line_no: no,
    medins_list_codg: `YP00${no}`,
    name_zh: '示例药',
    name_en: 'Sample',
    dose_zh: '',
    needs_codes: needsCodes,
    ordered: owed,
    owed,
    released: '0',
    returned: '0',
    self_paid_without_code: false,
    unit: '盒',
  }
}

test('each scan fills the line that wants one, a box twice or one too many is told', () => {
  const lines = [line(0, '1'), line(1, '2')]
  const picked = pickedOf(lines)

  expect(scanned('A', lines, picked, null)).toBe('taken')
  expect(scanned('A', lines, picked, null)).toBe('again')
  expect(scanned('B', lines, picked, null)).toBe('taken')
  expect(complete(lines, picked)).toBe(false)
  expect(scanned('C', lines, picked, null)).toBe('taken')
  expect(complete(lines, picked)).toBe(true)
  expect(scanned('D', lines, picked, null)).toBe('full')
  expect(picked.map((each) => each.codes)).toEqual([['A'], ['B', 'C']])
})

test('the chosen line comes first while it wants a code', () => {
  const lines = [line(0, '1'), line(1, '1')]
  const picked = pickedOf(lines)

  scanned('A', lines, picked, 1)
  scanned('B', lines, picked, 1)

  expect(picked.map((each) => each.codes)).toEqual([['B'], ['A']])
})

test('what needs no code is complete, and an exception needs its reason', () => {
  const lines = [line(0, '3', false), line(1, '1')]
  const picked = pickedOf(lines)

  expect(wanting(lines[0]!, picked[0]!)).toBe(0)
  picked[1]!.exception = 'split_pack'
  expect(complete(lines, picked)).toBe(false)
  picked[1]!.reason = '拆零'
  expect(complete(lines, picked)).toBe(true)
  expect(takenOf(picked)[1]).toMatchObject({ exception: 'split_pack', reason: '拆零' })
})

test('what is owed to nobody is not picked', () => {
  expect(pickedOf([line(0, '0'), line(1, '1.0000')])).toMatchObject([{ lineNo: 1, quantity: '1' }])
})
