import { expect, test } from 'vitest'
import { BEAT_MS, Device, SOON_MS, type Standing } from './device'
import { MemoryStore } from './identity'
import { Refused, refusalOf, UNREACHABLE } from './refusal'
import type { Client } from './requests'

const words = { zh: '不', en: 'no' }
const refused = (code: string): Refused => new Refused({ ...refusalOf({ code, message: words, next: words }) })
const WELCOME = { place: '一层大厅', institution_name: '示例市第一医院', scenes: [], subjects: [] }

class Listener implements Client {
  readonly asked: Array<[string, unknown]> = []
  beat: unknown = { state: 'online', reasons: [] }
  enrolment: unknown = { terminal_id: 't', place_id: 'p', state: 'pending' }
  welcome: unknown = WELCOME

  async post<Answer>(path: string, body: unknown): Promise<Answer> {
    this.asked.push([path, body])
    const given = path.endsWith('heartbeat') ? this.beat : path.endsWith('enrolment') ? this.enrolment : this.welcome
    if (given instanceof Error) throw given
    return given as Answer
  }
}

function device(listener: Listener, looksWell = true) {
  const store = new MemoryStore()
  const made = new Device({
    client: listener,
    store,
    origin: 'https://terminal.example',
    software: '0.1.0',
    cameraLooksWell: async () => looksWell,
    diskFreePercent: async () => 60,
  })
  return { made, store }
}

async function enrolled(listener: Listener, looksWell = true) {
  const { made, store } = device(listener, looksWell)
  await made.enrol('7K2M-9QXV-0H4T-C6PA', 'BROWSER-1')
  return { made, store }
}

test('a browser without a key asks to be enrolled', async () => {
  const { made } = device(new Listener())
  await made.start()

  expect(made.standing).toBe('unenrolled')
})

test('an enrolled terminal waits for approval, asks often, and is ready once it is believed', async () => {
  const listener = new Listener()
  listener.beat = refused('terminals.terminal_pending')
  const { made } = await enrolled(listener)

  expect(made.standing).toBe('pending')
  expect(made.nextBeatMs).toBe(SOON_MS)
  listener.beat = { state: 'online', reasons: [] }
  await made.beat()
  expect(made.standing).toBe('ready')
  expect(made.welcome?.place).toBe('一层大厅')
  expect(made.nextBeatMs).toBe(BEAT_MS)
})

test('after a lost answer the same key enrols again', async () => {
  const listener = new Listener()
  listener.enrolment = new Refused(UNREACHABLE)
  const { made } = device(listener)
  await expect(made.enrol('7K2M-9QXV-0H4T-C6PA', 'B')).rejects.toBeInstanceOf(Refused)
  listener.enrolment = { terminal_id: 't', place_id: 'p', state: 'pending' }
  await made.enrol('7K2M-9QXV-0H4T-C6PA', 'B')
  const keys = listener.asked.filter(([path]) => path.endsWith('enrolment')).map(([, body]) => (body as { public_key: string }).public_key)

  expect(keys).toHaveLength(2)
  expect(keys[0]).toBe(keys[1])
})

test('a spent key is dropped, so that the next attempt makes a new one', async () => {
  const listener = new Listener()
  listener.enrolment = refused('terminals.key_taken')
  const { made, store } = device(listener)

  await expect(made.enrol('7K2M-9QXV-0H4T-C6PA', 'B')).rejects.toBeInstanceOf(Refused)
  expect(await store.waitingKey()).toBeNull()
})

test.each<[string, Standing]>([
  ['terminals.terminal_suspended', 'suspended'],
  ['terminals.terminal_revoked', 'revoked'],
  ['terminals.key_unknown', 'revoked'],
  ['terminals.software_outdated', 'outdated'],
  ['terminals.model_withdrawn', 'uncertified'],
  ['terminals.insurer_unreachable', 'offline'],
])('%s closes the kiosk as %s, and it opens again by itself', async (code, standing) => {
  const listener = new Listener()
  const { made } = await enrolled(listener)
  made.refused(refused(code))
  expect(made.standing).toBe(standing)
  await made.beat()

  expect(made.standing).toBe('ready')
})

test('an outdated terminal stays closed while heartbeats are still taken', async () => {
  const listener = new Listener()
  const { made } = await enrolled(listener)
  listener.welcome = refused('terminals.software_outdated')
  made.refused(refused('terminals.software_outdated'))
  await made.beat()

  expect(made.standing).toBe('outdated')
})

test('a refusal that is about a person changes nothing', async () => {
  const { made } = await enrolled(new Listener())
  made.refused(refused('verification.not_live'))

  expect(made.standing).toBe('ready')
})

test('a camera that is missing or has just failed is reported', async () => {
  const listener = new Listener()
  const { made } = await enrolled(listener)
  const reported = () => (listener.asked.findLast(([path]) => path.endsWith('heartbeat'))?.[1] as { camera_ok: boolean }).camera_ok
  expect(reported()).toBe(true)
  made.cameraGave(false)
  await made.beat()
  expect(reported()).toBe(false)
  made.cameraGave(true)
  await made.beat()
  expect(reported()).toBe(true)

  const blind = new Listener()
  await enrolled(blind, false)
  expect((blind.asked[1]?.[1] as { camera_ok: boolean }).camera_ok).toBe(false)
})
