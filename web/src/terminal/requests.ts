/**
 * Signed requests (RFC 9421), exactly the profile of the terminal listener: one signature over
 * `@method`, `@target-uri`, `content-digest` with `created`, `nonce`, `keyid`.
 */

import { base64, newNonce, sha256, utf8, type Bytes } from './bytes'
import { sign } from './keys'
import { NOT_UNDERSTOOD, Refused, UNREACHABLE, refusalOf } from './refusal'

const COVERED = '("@method" "@target-uri" "content-digest")'
const CLOCK = new Set(['terminals.signature_stale', 'terminals.signature_future'])
const JUST_STARTED = 'terminals.signed_before_start'
const STARTING_TRIES = 6
const STARTING_PAUSE_MS = 2_000
const REQUEST_MS_MAX = 30_000

export async function contentDigest(body: Bytes): Promise<string> {
  return `sha-256=:${base64(await sha256(body))}:`
}

export function signatureParameters(keyId: string, created: number, nonce: string): string {
  return `${COVERED};created=${created};nonce="${nonce}";keyid="${keyId}"`
}

export function signatureBase(
  method: string,
  targetUri: string,
  digest: string,
  parameters: string,
): Bytes {
  return utf8(
    [
      `"@method": ${method}`,
      `"@target-uri": ${targetUri}`,
      `"content-digest": ${digest}`,
      `"@signature-params": ${parameters}`,
    ].join('\n'),
  )
}

export interface Signer {
  key: CryptoKeyPair
  keyId: string
  /** The listener's canonical origin, whatever address the page came from. */
  origin: string
}

/** The clock of the listener as far as this side knows it: a kiosk's own is often wrong. */
export class Clock {
  private aheadSeconds = 0

  /** Whole seconds since 1970, as the listener counts them. */
  seconds(): number {
    return Math.floor(Date.now() / 1000) - this.aheadSeconds
  }

  /** The listener said by how much this clock is ahead of its own. */
  correct(skewSeconds: number): void {
    this.aheadSeconds += skewSeconds
  }
}

export async function signedHeaders(
  signer: Signer,
  request: { method: string; path: string; body: Bytes; created: number; nonce: string },
): Promise<Record<string, string>> {
  const digest = await contentDigest(request.body)
  const parameters = signatureParameters(signer.keyId, request.created, request.nonce)
  const base = signatureBase(request.method, signer.origin + request.path, digest, parameters)
  const signature = base64(await sign(signer.key, base))
  return {
    'content-type': 'application/json',
    'content-digest': digest,
    'signature-input': `sig=${parameters}`,
    signature: `sig=:${signature}:`,
  }
}

export interface Client {
  post<Answer>(path: string, body: unknown, signer?: Signer): Promise<Answer>
}

/** Posts JSON to the listener this page came from; every other end is a {@link Refused}. */
export class HttpClient implements Client {
  constructor(
    private readonly clock: Clock,
    private readonly pause: (ms: number) => Promise<void> = wait,
  ) {}

  /**
   * A wrong clock is corrected by what the listener says and the request signed once more; a
   * listener that has just started is asked again. Both are refusals before anything was done.
   */
  async post<Answer>(path: string, body: unknown, signer?: Signer): Promise<Answer> {
    let corrected = false
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.once<Answer>(path, body, signer)
      } catch (failure) {
        if (!(failure instanceof Refused) || signer === undefined) throw failure
        const { code, details } = failure.refusal
        const skew = Number(details['skew_s'])
        if (CLOCK.has(code) && !corrected && Number.isFinite(skew)) {
          this.clock.correct(skew)
          corrected = true
        } else if (code === JUST_STARTED && tries < STARTING_TRIES) {
          await this.pause(STARTING_PAUSE_MS)
        } else throw failure
      }
    }
  }

  private async once<Answer>(path: string, body: unknown, signer?: Signer): Promise<Answer> {
    const content = utf8(JSON.stringify(body))
    const headers =
      signer === undefined
        ? { 'content-type': 'application/json' }
        : await signedHeaders(signer, {
            method: 'POST',
            path,
            body: content,
            created: this.clock.seconds(),
            nonce: newNonce(),
          })
    return (await read(path, { method: 'POST', headers, body: content })) as Answer
  }
}

/** A public document of the listener: words, settings, health. */
export async function get<Answer>(path: string): Promise<Answer> {
  return (await read(path, { method: 'GET' })) as Answer
}

async function read(path: string, init: RequestInit): Promise<unknown> {
  const response = await sent(path, init)
  if (response.status === 204) return null
  const body = await response.json().catch(() => null)
  if (!response.ok) throw new Refused(refusalOf(body))
  if (body === null) throw new Refused(NOT_UNDERSTOOD)
  return body
}

async function sent(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, {
      ...init,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    })
  } catch {
    throw new Refused(UNREACHABLE)
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
