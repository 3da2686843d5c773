import { expect, test } from 'vitest'
import { hex, utf8 } from './bytes'
import { enrolmentBody, fingerprintOf, keyIdOf, newKey, possessionMessage, publicBytes, sign } from './keys'

test('the private part of a key never leaves', async () => {
  const key = await newKey()

  expect(key.privateKey.extractable).toBe(false)
  await expect(crypto.subtle.exportKey('jwk', key.privateKey)).rejects.toThrow()
})

test('a signature has 64 bytes and verifies', async () => {
  const key = await newKey()
  const message = utf8('something')
  const signature = await sign(key, message)

  expect(signature).toHaveLength(64)
  const how = { name: 'ECDSA', hash: 'SHA-256' }
  expect(await crypto.subtle.verify(how, key.publicKey, signature, message)).toBe(true)
})

test('the key is named by the hash of its point, which two people compare in groups of four', async () => {
  const key = await newKey()
  const point = await publicBytes(key)
  const keyId = await keyIdOf(key)

  expect(point).toHaveLength(65)
  expect(point[0]).toBe(4)
  expect(keyId).toBe(hex(new Uint8Array(await crypto.subtle.digest('SHA-256', point))))
  expect(fingerprintOf(keyId).replaceAll(' ', '')).toBe(keyId)
})

test('an enrolment proves the key for its code', async () => {
  const key = await newKey()
  const body = await enrolmentBody(key, { code: '7k2m9qxv0h4tc6pa', certificate: ' B-1 ', software: '0.1.0' })
  const proof = Uint8Array.from(atob(body.proof), (letter) => letter.charCodeAt(0))
  const message = possessionMessage(body.code, await keyIdOf(key))

  expect(body).toMatchObject({ code: '7K2M-9QXV-0H4T-C6PA', certificate: 'B-1', algorithm: 'ecdsa-p256-sha256' })
  expect(await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key.publicKey, proof, message)).toBe(true)
})
