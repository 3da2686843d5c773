/** The two ceremonies of WebAuthn between the server's JSON and the browser. */

import { Refused, type Refusal } from './refusal'

export const NO_PASSKEY: Refusal = {
  code: 'staff.passkey_not_given',
  message: { zh: '没有得到通行密钥', en: 'No passkey was given' },
  next: { zh: '请再试一次；没有通行密钥，请找管理员重置', en: 'Try again; without a passkey ask an administrator for a reset' },
  helper: 'technician',
  finality: 'temporary',
  details: {},
  requestId: null,
}

export async function passkeyAnswer(options: object): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    options as PublicKeyCredentialRequestOptionsJSON,
  )
  return given(() => navigator.credentials.get({ publicKey }))
}

export async function passkeyMade(options: object): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    options as PublicKeyCredentialCreationOptionsJSON,
  )
  return given(() => navigator.credentials.create({ publicKey }))
}

async function given(ceremony: () => Promise<Credential | null>): Promise<unknown> {
  try {
    const made = (await ceremony()) as PublicKeyCredential | null
    if (made !== null) return made.toJSON()
  } catch {
    // Cancelled, timed out or not allowed: the browser does not say which.
  }
  throw new Refused(NO_PASSKEY)
}
