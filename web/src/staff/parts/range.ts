/** The range of a value in words that cannot be taken for a minus. */
export function rangeOf(low?: string | null, high?: string | null): string {
  if (low != null && high != null) return `${low}–${high}`
  if (high != null) return `≤ ${high}`
  return low == null ? '' : `≥ ${low}`
}
