import { expect, test } from 'vitest'
import { CaptureClient, type Channel, type Sight } from './capture'
import { keyIdOf, newKey } from './keys'
import { Refused, UNREACHABLE } from './refusal'
import type { Client, Signer } from './requests'
import type { Bytes } from './bytes'

const LIMITS = { frames_max: 400, frame_bytes_max: 1e6, bytes_max: 1e7, frames_per_second_max: 1e6, seconds_max: 90 }
const BEGUN = {
  session_id: '01K0000000000000000000000A',
  nonce: 'n'.repeat(22),
  ticket: 't'.repeat(22),
  liveness: 'active',
  expires_at: '2026-11-22T00:00:00Z',
  limits: LIMITS,
}
const SEEN = { type: 'seen', number: 1, hint: 'too_far', progress: 0.1, box: null, prompt: null }
const RESULT = { type: 'result', state: 'verified', person: null, may_go_on: false }
const words = { zh: '不', en: 'no' }
const REFUSED = { type: 'refused', code: 'verification.not_live', told: 'not_live', message: words, next: words, helper: 'clerk', finality: 'temporary', details: {}, may_go_on: true, attempts_left: 2 }

/** A server that answers from a list, one answer to each message. */
class Scripted implements Channel {
  readonly sent: Array<string | Bytes> = []
  closed = false
  private readonly due: string[] = []

  constructor(private readonly answers: object[]) {}

  send(message: string | Bytes): void {
    this.sent.push(message)
    const next = this.answers.shift()
    if (next !== undefined) this.due.push(JSON.stringify(next))
  }

  async receive(): Promise<string> {
    const next = this.due.shift()
    if (next === undefined) throw new Refused(UNREACHABLE)
    return next
  }

  close(): void {
    this.closed = true
  }
}

async function session(channel: Channel) {
  const key = await newKey()
  const signer: Signer = { key, keyId: await keyIdOf(key), origin: 'https://terminal.example' }
  const client: Client = { post: async <Answer>() => BEGUN as Answer }
  const captures = new CaptureClient(client, signer, { place_id: 'p' }, 'ws://x', async () => channel)
  return captures.begin({
    scene: '01101',
    notice_version: '1',
    consents: ['comparison'],
    look_for: { kind: 'expected' },
    amount_max_fen: 0,
  })
}

const camera = { frame: async () => new Uint8Array([0xff, 0xd8, 0xff]) }
const still = new AbortController().signal

test('the ticket goes first, each frame waits for its answer, the end is signed', async () => {
  const channel = new Scripted([{ type: 'opened' }, SEEN, { type: 'enough', number: 2, box: null }, RESULT])
  const seen: Sight[] = []
  const outcome = await (await session(channel)).attempt(camera, (sight) => seen.push(sight), still)

  expect(outcome).toMatchObject({ kind: 'result', mayGoOn: false })
  expect(JSON.parse(channel.sent[0] as string)).toMatchObject({ type: 'open', ticket: BEGUN.ticket })
  expect((channel.sent[1] as Bytes)[3]).toBe(1)
  expect((channel.sent[2] as Bytes)[3]).toBe(2)
  expect(JSON.parse(channel.sent[3] as string)).toMatchObject({ type: 'end', count: 2 })
  expect(seen).toEqual([{ hint: 'too_far', progress: 0.1, box: null, prompt: null }])
})

test('after a refused attempt the same socket goes on, with numbers and chain', async () => {
  const enough = { type: 'enough', number: 1, box: null }
  const channel = new Scripted([{ type: 'opened' }, enough, REFUSED, { type: 'opened' }, enough, RESULT])
  const running = await session(channel)
  const first = await running.attempt(camera, () => {}, still)
  const second = await running.attempt(camera, () => {}, still, { kind: 'last_digits', digits: '0018' })

  expect(first).toMatchObject({ kind: 'refused', mayGoOn: true, attemptsLeft: 2, refusal: { told: 'not_live' } })
  expect(second.kind).toBe('result')
  expect(JSON.parse(channel.sent[3] as string)).toEqual({ type: 'again', look_for: { kind: 'last_digits', digits: '0018' } })
  expect((channel.sent[4] as Bytes)[3]).toBe(2)
})

test('whoever leaves is not seen any more', async () => {
  const leaving = new AbortController()
  const channel = new Scripted([{ type: 'opened' }, SEEN, SEEN])
  const running = await session(channel)
  const attempt = running.attempt(camera, () => leaving.abort(), leaving.signal)

  await expect(attempt).rejects.toMatchObject({ name: 'AbortError' })
  expect(channel.sent).toHaveLength(2)
})

test('a lost connection is told as such', async () => {
  const attempt = (await session(new Scripted([{ type: 'opened' }]))).attempt(camera, () => {}, still)

  await expect(attempt).rejects.toMatchObject({ refusal: { told: 'network' } })
})
