import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import prompts from '../../voice/prompts.json'
import { hasClip } from './clips'
import { clipsAt, HOME } from './flow'
import { counted, money, spelled } from './speech'
import { SAME_HINT_MS, Voice } from './voice'

/** A loudspeaker that ends a sentence when it is told to. */
class Speaker {
  readonly said: string[] = []
  private finish: Array<() => void> = []

  readonly play = (clip: string): Promise<void> => {
    this.said.push(clip)
    return new Promise((done) => this.finish.push(done))
  }

  async ends(): Promise<void> {
    this.finish.shift()?.()
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
  }
}

test('no sentence is cut off: the next waits for its end', async () => {
  const speaker = new Speaker()
  const voice = new Voice(speaker.play, () => 0)
  voice.say('a', 'b')
  voice.say('c')
  expect(speaker.said).toEqual(['a'])
  await speaker.ends()
  await speaker.ends()

  expect(speaker.said).toEqual(['a', 'b', 'c'])
})

test('the newest hint replaces those that wait', async () => {
  const speaker = new Speaker()
  const voice = new Voice(speaker.play, () => 0)
  voice.hint('far')
  voice.hint('dark')
  voice.hint('centre')
  await speaker.ends()

  expect(speaker.said).toEqual(['far', 'centre'])
})

test('the same hint is not said again within four seconds', async () => {
  const speaker = new Speaker()
  let now = 0
  const voice = new Voice(speaker.play, () => now)
  voice.hint('far')
  await speaker.ends()
  now = SAME_HINT_MS - 1
  voice.hint('far')
  expect(speaker.said).toEqual(['far'])
  now = SAME_HINT_MS
  voice.hint('far')

  expect(speaker.said).toEqual(['far', 'far'])
})

test('with the sound off nothing is said, and a page that is left says nothing more', async () => {
  const speaker = new Speaker()
  const voice = new Voice(speaker.play, () => 0)
  voice.say('a')
  voice.say('b')
  voice.quiet()
  await speaker.ends()
  voice.on = false
  voice.say('c')
  await speaker.ends()

  expect(speaker.said).toEqual(['a'])
})

test('a clip that cannot be played does not stop the others', async () => {
  const said: string[] = []
  const voice = new Voice(async (clip) => {
    said.push(clip)
    if (clip === 'broken') throw new Error('no such file')
  })
  voice.say('broken')
  await new Promise((done) => setTimeout(done))
  voice.say('fine')
  await new Promise((done) => setTimeout(done))

  expect(said).toEqual(['broken', 'fine'])
})

test('a queue number is spelled, and one that cannot be is not said at all', () => {
  expect(spelled('A036')).toEqual(['letter.A', 'number.0', 'number.3', 'number.6'])
  expect(spelled('Z1')).toEqual([])
})

test.each([
  [0, '零'],
  [2, '二'],
  [10, '十'],
  [12, '十二'],
  [20, '二十'],
  [105, '一百零五'],
  [110, '一百一十'],
  [258, '二百五十八'],
  [1005, '一千零五'],
  [1050, '一千零五十'],
  [20300, '二万零三百'],
])('%i is said %s', (number, words) => {
  const said = counted(number).map((clip) => prompts[clip as keyof typeof prompts])

  expect(said.join('')).toBe(words)
})

test.each([
  [0, '零元'],
  [4000, '四十元'],
  [25860, '二百五十八元六角'],
  [1205, '十二元零五分'],
  [50, '五角'],
])('%i fen are said %s', (fen, words) => {
  const said = money(fen).map((clip) => prompts[clip as keyof typeof prompts])

  expect(said.join('')).toBe(words)
})

test('every prompt has a clip', () => {
  for (const clip of Object.keys(prompts)) expect(hasClip(clip), clip).toBe(true)
})

test('the notice is read from the clip of its own version', () => {
  const journey = { task: 'activate', ticks: [], lookFor: { kind: 'expected' }, live: false, attempt: 0, failures: 0, found: null, beneficiary: null, choice: null, moving: null } as const

  expect(clipsAt({ at: 'notice', journey }, '2026-11-22')).toEqual(['notice.2026-11-22.spoken'])
  expect(clipsAt({ at: 'notice', journey }, null)).toEqual([])
  expect(clipsAt(HOME, null).every(hasClip)).toBe(true)
})

test('every sentence that a page or an errand says has a clip', () => {
  const said = ['flow.ts', 'spoken.ts'].flatMap((file) => {
    const text = readFileSync(join(import.meta.dirname, file), 'utf8')
    return [...text.matchAll(/'((?:kiosk|money|scan)\.[a-z_]+)'/g)].map((found) => found[1] ?? '')
  })

  expect(said.length).toBeGreaterThan(25)
  expect(said.filter((each) => !hasClip(each))).toEqual([])
})
