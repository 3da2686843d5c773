/**
 * The terminal's key: ECDSA on P-256, made here, and its private part can never leave the browser.
 *
 * What that proves: whoever signs sits at this browser profile. What it does not: that this is a
 * certified device; so a browser terminal is a class of its own with less trust.
 */

import { base64, hex, joined, sha256, utf8, type Bytes } from './bytes'

const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const

export const ALGORITHM = 'ecdsa-p256-sha256'

export async function newKey(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(CURVE, false, ['sign', 'verify'])
}

/** 65 bytes `04 || X || Y`. */
export async function publicBytes(key: CryptoKeyPair): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.exportKey('raw', key.publicKey))
}

/** `keyid` of signed requests, which is also the fingerprint that two people compare. */
export async function keyIdOf(key: CryptoKeyPair): Promise<string> {
  return hex(await sha256(await publicBytes(key)))
}

/** A fingerprint as it is compared on two screens: groups of four. */
export function fingerprintOf(keyId: string): string {
  return (keyId.match(/.{4}/g) ?? []).join(' ')
}

/** 64 bytes `r || s`. */
export async function sign(key: CryptoKeyPair, message: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign(SIGNATURE, key.privateKey, message))
}

/** A typed code as it is signed: capitals, hyphens, the usual misreadings mended. */
export function canonicalCode(typed: string): string {
  const letters = typed
    .toUpperCase()
    .replaceAll(/[\s-]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1')
  return (letters.match(/.{1,4}/g) ?? []).join('-')
}

export interface EnrolmentBody {
  code: string
  certificate: string
  software: string
  algorithm: typeof ALGORITHM
  public_key: string
  proof: string
}

/** What the holder of a key sends to enrol: the proof is bound to the code. */
export async function enrolmentBody(
  key: CryptoKeyPair,
  given: { code: string; certificate: string; software: string },
): Promise<EnrolmentBody> {
  const code = canonicalCode(given.code)
  const message = utf8(`shualian terminal enrolment 1\n${possessionLines(code, await keyIdOf(key))}`)
  return {
    code,
    certificate: given.certificate.trim(),
    software: given.software,
    algorithm: ALGORITHM,
    public_key: base64(await publicBytes(key)),
    proof: base64(await sign(key, message)),
  }
}

function possessionLines(...lines: string[]): string {
  return lines.join('\n')
}

/** Of the tests: what was signed, so that it can be compared with the other side's. */
export function possessionMessage(code: string, keyId: string): Bytes {
  return joined(utf8('shualian terminal enrolment 1\n'), utf8(possessionLines(code, keyId)))
}
