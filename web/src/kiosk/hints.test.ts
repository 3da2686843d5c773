import { expect, test } from 'vitest'
import failures from '../../contract/spoken.json'
import { GRAVITY, graver, HintHolder, HOLD_MS, sideToMove, STAY_MS } from './hints'
import { hasClip } from './clips'
import { en } from './words/en'
import { zh } from './words/zh'

test('a hint shows after it has held for 0.4 s', () => {
  const holder = new HintHolder()

  expect(holder.take('too_far', 0)).toBeNull()
  expect(holder.take('too_far', HOLD_MS - 1)).toBeNull()
  expect(holder.take('too_far', HOLD_MS)).toBe('too_far')
})

test('a hint that comes for a moment now and again never shows', () => {
  const holder = new HintHolder()
  for (let now = 0; now < 6000; now += 100) {
    holder.take(now % 1000 === 0 ? 'too_far' : 'hold_still', now)
    expect(holder.shown).not.toBe('too_far')
  }
})

test('of two that take turns from frame to frame the graver one is shown, and stays', () => {
  const holder = new HintHolder()
  const shown = new Set<string | null>()
  for (let now = 0; now < 6000; now += 100) shown.add(holder.take(now % 200 === 0 ? 'too_far' : 'tilted', now))

  expect([...shown]).toEqual([null, 'too_far'])
})

test('a hint stays at least 1.2 s', () => {
  const holder = new HintHolder()
  holder.take('too_far', 0)
  holder.take('too_far', HOLD_MS)
  for (let now = HOLD_MS + 50; now < HOLD_MS + STAY_MS; now += 50)
    expect(holder.take('hold_still', now)).toBe('too_far')

  expect(holder.take('hold_still', HOLD_MS + STAY_MS)).toBe('hold_still')
})

test('of two that wait the graver one comes first', () => {
  const holder = new HintHolder()
  holder.take('hold_still', 0)
  holder.take('hold_still', HOLD_MS)
  holder.take('several_people', 450)
  holder.take('several_people', 900)
  holder.take('moving', 950)
  holder.take('moving', 1400)

  expect(holder.take('moving', HOLD_MS + STAY_MS)).toBe('several_people')
})

test('a lost network shows at once', () => {
  const holder = new HintHolder()
  holder.take('hold_still', 0)
  holder.take('hold_still', HOLD_MS)

  expect(holder.take('network', HOLD_MS + 1)).toBe('network')
})

test('a hint goes when there is nothing to say, and not before it was read', () => {
  const holder = new HintHolder()
  holder.take('too_far', 0)
  holder.take('too_far', HOLD_MS)

  expect(holder.take(null, HOLD_MS + 100)).toBe('too_far')
  expect(holder.take(null, HOLD_MS + STAY_MS)).toBeNull()
})

test('nobody before the camera is graver than a tilted head', () => {
  expect(graver('no_face', 'tilted')).toBe(true)
  expect(graver('tilted', 'no_face')).toBe(false)
})

test('sides are those of the person who sees a mirror', () => {
  const at = (x: number) => ({ x, y: 100, width: 100, height: 120 })

  expect(sideToMove(at(20), 640)).toBe('left')
  expect(sideToMove(at(500), 640)).toBe('right')
  expect(sideToMove(at(270), 640)).toBeNull()
  expect(sideToMove(null, 640)).toBeNull()
})

test.each(GRAVITY)('the hint %s has words in both languages and a clip', (hint) => {
  expect(zh.hint[hint]).not.toBe('')
  expect(en.hint[hint]).not.toBe('')
  const clip = hint === 'hold_still' ? 'kiosk.hold_still' : `scan.${hint}`
  expect(hasClip(clip)).toBe(true)
  if (clip.startsWith('scan.')) expect(failures).toHaveProperty([clip])
})
