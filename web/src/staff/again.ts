/** Asks again every few seconds while a page is open and seen; never twice at once. */

import { onBeforeUnmount, onMounted } from 'vue'

export function useAgain(work: () => Promise<unknown>, everyMs = 5_000): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let gone = false

  async function turn(): Promise<void> {
    if (!document.hidden) await work()
    if (!gone) timer = setTimeout(() => void turn(), everyMs)
  }

  onMounted(() => void turn())
  onBeforeUnmount(() => {
    gone = true
    clearTimeout(timer)
  })
}
