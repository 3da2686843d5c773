/** What the patient's screen at the window shows; it goes from tab to tab and nowhere else. */

import type { Split } from '../parts/split'

export type Prompt = 'check' | 'face' | 'pay' | 'wait' | 'done'

export type OnSecond =
  | { kind: 'idle' }
  | { kind: 'bill'; maskedName: string; split: Split; prompt: Prompt; dueFen: number; changeFen: number }

const CHANNEL = 'shualian.second'
const HELLO = 'hello'

/** The clerk's end: says what is shown, and says it again to a screen that has just come. */
export function makeSecond() {
  const channel = new BroadcastChannel(CHANNEL)
  let last: OnSecond = { kind: 'idle' }
  channel.onmessage = (event: MessageEvent<unknown>) => {
    if (event.data === HELLO) channel.postMessage(last)
  }
  return {
    show(next: OnSecond): void {
      // A plain copy: what Vue watches cannot be sent.
      last = JSON.parse(JSON.stringify(next)) as OnSecond
      channel.postMessage(last)
    },
    close(): void {
      channel.postMessage({ kind: 'idle' } satisfies OnSecond)
      channel.close()
    },
  }
}

/** The patient's end. */
export function watchSecond(shown: (next: OnSecond) => void): () => void {
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = (event: MessageEvent<OnSecond | typeof HELLO>) => {
    if (event.data !== HELLO) shown(event.data)
  }
  channel.postMessage(HELLO)
  return () => channel.close()
}
