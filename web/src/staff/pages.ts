/** Which pages a role has, in the order in which they stand. */

import { defineAsyncComponent, type Component } from 'vue'
import type { About } from './about'
import type { Role } from './types'

export interface Page {
  name: string
  roles: readonly Role[]
  side: About['side'] | 'both'
  body: Component
}

const page = (name: string, roles: readonly Role[], side: Page['side'], load: () => Promise<Component>): Page => ({
  name,
  roles,
  side,
  body: defineAsyncComponent(load),
})

export const PAGES: readonly Page[] = [
  page('cashier', ['clerk'], 'hospital', () => import('./cashier/Cashier.vue')),
  page('register', ['clerk'], 'hospital', () => import('./cashier/Register.vue')),
  page('refunds', ['clerk'], 'hospital', () => import('./cashier/Refunds.vue')),
  page('shift', ['clerk', 'administrator'], 'hospital', () => import('./cashier/Shifts.vue')),
  page('clinic', ['doctor'], 'hospital', () => import('./clinic/Clinic.vue')),
  page('critical', ['doctor'], 'hospital', () => import('./clinic/Critical.vue')),
  page('pharmacy', ['pharmacist'], 'hospital', () => import('./pharmacy/Pharmacy.vue')),
  page('stock', ['pharmacist', 'administrator'], 'hospital', () => import('./pharmacy/Stock.vue')),
  page('ward', ['nurse'], 'hospital', () => import('./ward/Wards.vue')),
  page('dialysis', ['nurse'], 'hospital', () => import('./ward/Dialysis.vue')),
  page('checks', ['nurse'], 'hospital', () => import('./ward/Checks.vue')),
  page('registration', ['nurse'], 'hospital', () => import('./cashier/Register.vue')),
  page('examinations', ['technician', 'doctor'], 'hospital', () => import('./desk/Examinations.vue')),
  page('closing', ['administrator'], 'hospital', () => import('./admin/Closing.vue')),
  page('overrides', ['administrator'], 'hospital', () => import('./admin/Overrides.vue')),
  page('terminals', ['administrator', 'supervisor', 'operator', 'technician'], 'both', () => import('./admin/Terminals.vue')),
  page('accounts', ['administrator', 'supervisor'], 'both', () => import('./admin/Accounts.vue')),
  page('doctors', ['administrator', 'supervisor'], 'both', () => import('./admin/Doctors.vue')),
  page('ward_results', ['administrator', 'supervisor'], 'both', () => import('./admin/WardResults.vue')),
  page('alerts', ['supervisor'], 'insurer', () => import('./admin/Alerts.vue')),
  page('knobs', ['administrator', 'supervisor'], 'both', () => import('./admin/Knobs.vue')),
]

export function pagesFor(roles: readonly Role[], about: About): readonly Page[] {
  return PAGES.filter(
    (each) =>
      (each.side === 'both' || each.side === about.side) &&
      each.roles.some((role) => roles.includes(role)) &&
      (each.name !== 'knobs' || about.sandbox),
  )
}
