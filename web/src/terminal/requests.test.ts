import { afterEach, expect, test, vi } from 'vitest'
import { keyIdOf, newKey } from './keys'
import { Refused } from './refusal'
import { Clock, HttpClient, type Signer } from './requests'

afterEach(() => vi.unstubAllGlobals())

async function signer(): Promise<Signer> {
  const key = await newKey()
  return { key, keyId: await keyIdOf(key), origin: 'https://terminal.example' }
}

function answers(...given: Array<[number, unknown]>) {
  const sent: Array<Record<string, string>> = []
  vi.stubGlobal('fetch', async (_path: string, init: RequestInit) => {
    sent.push(init.headers as Record<string, string>)
    const [status, body] = given[Math.min(sent.length, given.length) - 1] ?? [500, null]
    return new Response(JSON.stringify(body), { status })
  })
  return sent
}

function refusal(code: string, details: object = {}) {
  const words = { zh: '不', en: 'no' }
  return { code, message: words, next: words, helper: 'self', finality: 'temporary', details }
}

const created = (headers: Record<string, string> | undefined): number =>
  Number(/created=(\d+)/.exec(headers?.['signature-input'] ?? '')?.[1])

test('a wrong clock is corrected by what the listener says, and the request signed anew once', async () => {
  const sent = answers([503, refusal('terminals.signature_future', { skew_s: 90 })], [200, { ok: 1 }])
  const client = new HttpClient(new Clock())

  expect(await client.post('/x', {}, await signer())).toEqual({ ok: 1 })
  expect(sent).toHaveLength(2)
  expect(Math.abs(created(sent[0]) - created(sent[1]) - 90)).toBeLessThanOrEqual(1)
  expect(sent[0]?.['signature-input']).not.toBe(sent[1]?.['signature-input'])
})

test('a clock that is wrong after the correction is refused and not tried for ever', async () => {
  const sent = answers([503, refusal('terminals.signature_stale', { skew_s: -90 })])
  const asked = new HttpClient(new Clock()).post('/x', {}, await signer())

  await expect(asked).rejects.toMatchObject({ refusal: { code: 'terminals.signature_stale' } })
  expect(sent).toHaveLength(2)
})

test('a listener that has just started is asked again', async () => {
  const sent = answers([503, refusal('terminals.signed_before_start')], [200, { ok: 1 }])
  const paused: number[] = []
  const client = new HttpClient(new Clock(), async (ms) => void paused.push(ms))

  expect(await client.post('/x', {}, await signer())).toEqual({ ok: 1 })
  expect(sent).toHaveLength(2)
  expect(paused).toHaveLength(1)
})

test('no network is a refusal with words, and so is an answer of another form', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('failed')
  })
  const client = new HttpClient(new Clock())
  await expect(client.post('/x', {})).rejects.toMatchObject({ refusal: { told: 'network' } })

  answers([502, 'a proxy speaks'])
  await expect(client.post('/x', {})).rejects.toBeInstanceOf(Refused)
})
