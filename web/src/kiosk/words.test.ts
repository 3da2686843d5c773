import { expect, test } from 'vitest'
import { en } from './words/en'
import { zh } from './words/zh'

function keysOf(words: object, prefix = ''): string[] {
  return Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'object' ? keysOf(value as object, `${prefix}${key}.`) : [`${prefix}${key}`],
  )
}

function texts(words: object): string[] {
  return Object.values(words).flatMap((value) => (typeof value === 'object' ? texts(value as object) : [String(value)]))
}

test('both languages have the same keys', () => {
  expect(keysOf(en)).toEqual(keysOf(zh))
})

test('both languages name the same values', () => {
  const named = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()

  expect(texts(en).map(named)).toEqual(texts(zh).map(named))
})

test('the English words hold no Chinese but the switch to it', () => {
  expect(texts(en).filter((text) => /[一-鿿]/.test(text))).toEqual(['中文'])
})
