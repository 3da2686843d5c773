/** The visit that a clerk goes on with at the window after registering it; in this tab's memory only. */

let carried = ''

export function carry(encounterNo: string): void {
  carried = encounterNo
}

/** The visit that was carried here, once. */
export function takeCarried(): string {
  const found = carried
  carried = ''
  return found
}
