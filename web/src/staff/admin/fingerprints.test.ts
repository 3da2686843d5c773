import { expect, test } from 'vitest'
import { compared, groupsOf, typedKey } from './fingerprints'

const KEY = '5f2c0011'.repeat(8)

test('what is read out is compared group by group, whatever the spaces', () => {
  const read = groupsOf(KEY).join(' ').toUpperCase()

  expect(new Set(compared(KEY, read))).toEqual(new Set(['same']))
  expect(typedKey(read)).toBe(KEY)
})

test('one group that differs is found while the rest is still open', () => {
  expect(compared(KEY, '5f2c 0012 5f').slice(0, 4)).toEqual(['same', 'differs', 'open', 'open'])
  expect(compared(KEY, '5f2c 9')[1]).toBe('differs')
  expect(new Set(compared(KEY, ''))).toEqual(new Set(['open']))
})
