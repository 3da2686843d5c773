/** Where things stand, told apart by words and by a colour of the tag. */

export type Tone = 'primary' | 'success' | 'warning' | 'danger' | 'info'

const TONES: Readonly<Record<string, Tone>> = {
  // bills
  prepared: 'info',
  reserved: 'warning',
  holding: 'warning',
  sent: 'warning',
  unknown: 'danger',
  settled: 'success',
  refused: 'danger',
  // orders
  draft: 'info',
  signed: 'warning',
  uploaded: 'primary',
  paying: 'warning',
  paid: 'success',
  performed: 'success',
  withdrawn: 'info',
  refunding: 'warning',
  // visits
  registered: 'info',
  called: 'primary',
  in_consultation: 'success',
  waiting_results: 'warning',
  returned: 'primary',
  arrived: 'primary',
  // medicine
  waiting: 'primary',
  reviewed: 'info',
  released: 'success',
  part_released: 'warning',
  // terminals, accounts, checks
  active: 'success',
  online: 'success',
  degraded: 'warning',
  at_risk: 'danger',
  pending: 'warning',
  invited: 'info',
  suspended: 'danger',
  revoked: 'danger',
  offline: 'danger',
  open: 'warning',
  passed: 'success',
  excepted: 'info',
  missed: 'danger',
  another_face: 'danger',
}

export function toneOf(state: string): Tone {
  return TONES[state] ?? 'info'
}
