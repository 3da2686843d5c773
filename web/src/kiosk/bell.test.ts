import { expect, test } from 'vitest'
import { Refused, UNREACHABLE } from '../terminal/refusal'
import { Bell, RINGS_MS } from './bell'
import type { Help } from './flow'
import type { HelpCall } from './hospital'

const GUIDE = { zh: '导医 李示例', en: 'Guide 李示例' }
const call = (state: HelpCall['state'], helper: HelpCall['helper'] = null): HelpCall => ({ call_no: 'C1', state, helper })

function rung(...answers: HelpCall[]) {
  const told: Help[] = []
  const ended: string[] = []
  let now = 0
  const next = async (): Promise<HelpCall> => answers.shift() ?? call('over')
  const hospital = {
    ring: next,
    bell: next,
    endCall: async (number: string) => {
      ended.push(number)
      return call('over')
    },
  }
  const pause = async (ms: number) => {
    now += ms
  }
  const bell = new Bell(hospital, (help) => told.push(help), pause, () => now)
  return { bell, told, ended }
}

test('the screen says who heard it, and that they come only once they said so', async () => {
  const { bell, told } = rung(call('ringing'), call('heard', GUIDE), call('coming', GUIDE))
  await bell.ring()

  expect(told).toEqual([
    { state: 'heard', helper: GUIDE },
    { state: 'coming', helper: GUIDE },
  ])
})

test('when nobody hears it the screen says so, and nobody comes afterwards', async () => {
  const { bell, told, ended } = rung(...Array.from({ length: RINGS_MS / 1_000 }, () => call('ringing')))
  await bell.ring()

  expect(told).toEqual([{ state: 'nobody', helper: null }])
  expect(ended).toEqual(['C1'])
})

test('where the hospital cannot be reached nobody is said to know', async () => {
  const told: Help[] = []
  const lost = async (): Promise<HelpCall> => {
    throw new Refused(UNREACHABLE)
  }
  await new Bell({ ring: lost, bell: lost, endCall: lost }, (help) => told.push(help)).ring()

  expect(told).toEqual([{ state: 'nobody', helper: null }])
})

test('who stood still until the page was cleared, or to whom somebody walks, is not forgotten', async () => {
  const still = rung(call('ringing'))
  const ringing = still.bell.ring()
  still.bell.stop(false)
  await ringing
  expect(still.ended).toEqual([])

  const walking = rung(call('coming', GUIDE))
  await walking.bell.ring()
  walking.bell.stop(true)
  expect(walking.ended).toEqual([])
})

test('whoever goes on alone ends the call, and is told nothing any more', async () => {
  const { bell, told, ended } = rung(call('ringing'), call('heard', GUIDE))
  const ringing = bell.ring()
  bell.stop(true)
  await ringing

  expect(told).toEqual([])
  expect(ended).toEqual(['C1'])
})
