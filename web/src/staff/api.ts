/** The two listeners, typed by their own OpenAPI documents. */

import createClient from 'openapi-fetch'
import type { paths as HospitalPaths } from '../contract/hospital'
import type { paths as InsurerPaths } from '../contract/insurer'
import { OFFLINE, Refused, refusalOf } from './refusal'

const LONGEST_MS = 60_000

const options = {
  baseUrl: globalThis.location?.origin ?? '',
  credentials: 'same-origin' as const,
  // Asked for at each call, so that a test can stand in for the server.
  fetch: (request: globalThis.Request) =>
    globalThis.fetch(request, { signal: AbortSignal.timeout(LONGEST_MS) }),
}

/** A hospital's listener; terminals, windows and supervision are at the insurer's too. */
export const hospital = createClient<HospitalPaths>(options)
/** What only the insurer's listener has. */
export const insurer = createClient<InsurerPaths>(options)

interface Answered<T> {
  data?: T
  error?: unknown
  response: Response
}

/** What was answered; throws `Refused` for a refusal or when no answer came. */
export async function got<T>(asked: Promise<Answered<T>>): Promise<T> {
  let answered: Answered<T>
  try {
    answered = await asked
  } catch {
    throw new Refused(OFFLINE)
  }
  if (!answered.response.ok) throw new Refused(refusalOf(answered.error))
  return answered.data as T
}

/** The same for addresses that stand in no document of this build, such as another house's staff. */
export async function ask<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method, credentials: 'same-origin' }
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    init.headers = { 'content-type': 'application/json' }
  }
  let response: Response
  try {
    response = await options.fetch(new Request(options.baseUrl + path, init))
  } catch {
    throw new Refused(OFFLINE)
  }
  const answer: unknown = response.status === 204 ? null : await response.json().catch(() => null)
  if (!response.ok) throw new Refused(refusalOf(answer))
  return answer as T
}
