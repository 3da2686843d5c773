/** What this side signs and chains is byte for byte what the Python side expects. */
import { expect, test } from 'vitest'
import vectors from '../../contract/vectors.json'
import { hex, utf8, type Bytes } from './bytes'
import { beginChain, endStatement, packFrame } from './chain'
import { canonicalCode, possessionMessage } from './keys'
import { contentDigest, signatureBase, signatureParameters } from './requests'

const text = (bytes: Bytes): string => new TextDecoder().decode(bytes)

test('the digest of a body and the base of a signature are those of the reference agent', async () => {
  const { key_id, created, nonce } = vectors
  const digest = await contentDigest(utf8(vectors.body))
  const parameters = signatureParameters(key_id, created, nonce)

  expect(digest).toBe(vectors.content_digest)
  expect(parameters).toBe(vectors.parameters)
  const target = 'https://terminal.example:8443/terminal/v1/heartbeat'
  expect(text(signatureBase('POST', target, digest, parameters))).toBe(vectors.base)
})

test('what proves the possession of a key is bound to the code, however it was typed', () => {
  const code = canonicalCode('7k2m 9qxv-0h4t c6pa')

  expect(code).toBe('7K2M-9QXV-0H4T-C6PA')
  expect(text(possessionMessage(code, vectors.key_id))).toBe(vectors.possession)
})

test('letters that are misread in a code are mended', () => {
  expect(canonicalCode('OILo')).toBe('0110')
})

test('frames are numbered and chained as the server does it, and the end is signed so', async () => {
  const begun = await beginChain(vectors.nonce)
  const jpeg = new Uint8Array([0xff, 0xd8, 0xff, ...utf8(' frame')])
  const [after, message] = await packFrame(begun, jpeg)
  const statement = endStatement('01K0000000000000000000000A', vectors.nonce, after)

  expect(hex(begun.value)).toBe(vectors.chain_begun)
  expect(hex(message)).toBe(vectors.frame_message)
  expect(text(statement)).toBe(vectors.end_statement)
})
