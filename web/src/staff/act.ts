/** One thing that a person does: busy while it is asked, and the refusal when there is one. */

import { inject, ref } from 'vue'
import { Refused, OFFLINE, signedOut, type Refusal } from './refusal'
import { SESSION } from './session'

export function useAct() {
  const session = inject(SESSION, null)
  const busy = ref(false)
  const refusal = ref<Refusal | null>(null)

  /** Does it; gives undefined when it was refused. A second press while busy does nothing. */
  async function act<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (busy.value) return undefined
    busy.value = true
    refusal.value = null
    try {
      return await work()
    } catch (error) {
      told(error)
      return undefined
    } finally {
      busy.value = false
    }
  }

  /** Looks without locking anything; used for lists that are asked again and again. */
  async function look<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      told(error)
      return undefined
    }
  }

  function told(error: unknown): void {
    const found = error instanceof Refused ? error.refusal : OFFLINE
    if (!(error instanceof Refused)) console.error(error)
    if (signedOut(found)) session?.gone()
    refusal.value = found
  }

  return { act, look, busy, refusal }
}
