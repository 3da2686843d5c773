/** Frames of a capture, numbered and chained from the session's nonce, and the signed end. */

import { hex, joined, sha256, utf8, type Bytes } from './bytes'

export interface Chain {
  count: number
  value: Bytes
}

export async function beginChain(nonce: string): Promise<Chain> {
  return { count: 0, value: await sha256(utf8(`shualian capture v1${nonce}`)) }
}

/** The chain with the next frame, and the binary message that carries it. */
export async function packFrame(chain: Chain, jpeg: Bytes): Promise<[Chain, Bytes]> {
  const number = bigEndian(chain.count + 1)
  const value = await sha256(joined(chain.value, number, await sha256(jpeg)))
  return [{ count: chain.count + 1, value }, joined(number, value, jpeg)]
}

/** What the terminal signs at the end. */
export function endStatement(sessionId: string, nonce: string, chain: Chain): Bytes {
  const lines = ['shualian capture end v1', sessionId, nonce, String(chain.count), hex(chain.value)]
  return utf8(lines.join('\n'))
}

function bigEndian(number: number): Bytes {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}
