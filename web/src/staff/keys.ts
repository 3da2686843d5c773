/** Function keys of a page. A key that is taken does nothing else in the browser. */

import { onBeforeUnmount, onMounted } from 'vue'

export type Keys = Readonly<Record<string, () => void>>

export function useKeys(keys: Keys): void {
  function pressed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return
    const work = keys[event.key]
    if (work === undefined) return
    // Escape belongs to a dialogue while one is open.
    if (event.key === 'Escape' && document.querySelector('[role=dialog]:not([aria-hidden=true])')) return
    event.preventDefault()
    work()
  }

  onMounted(() => window.addEventListener('keydown', pressed))
  onBeforeUnmount(() => window.removeEventListener('keydown', pressed))
}
