/** Who is signed in. The token is in a cookie that no script reads; here is only who it is. */

import { computed, ref, type InjectionKey } from 'vue'
import type { About } from './about'
import { ask } from './api'
import { passkeyAnswer, passkeyMade } from './passkey'
import type { Account, Role, SignedIn } from './types'

/** Set while somebody is signed in in this tab, so that a fresh page asks for nobody in vain. */
const HINT = 'shualian.staff'

export type StaffSession = ReturnType<typeof makeSession>
export const SESSION: InjectionKey<StaffSession> = Symbol('session')

export function makeSession(about: About) {
  const base = `/${about.side}/staff`
  const account = ref<Account | null>(null)
  const roles = computed<readonly Role[]>(() => account.value?.roles ?? [])

  async function know(): Promise<void> {
    account.value = await ask<Account>('GET', `${base}/me`)
    sessionStorage.setItem(HINT, '1')
  }

  return {
    about,
    base,
    account,
    roles,
    /** Go on with the session of the cookie, if this tab had one. */
    async resume(): Promise<void> {
      if (sessionStorage.getItem(HINT) === null) return
      try {
        await know()
      } catch {
        sessionStorage.removeItem(HINT)
      }
    },
    async byPassword(login: string, password: string): Promise<void> {
      await ask<SignedIn>('POST', `${base}/sign-in/password`, { login, password })
      await know()
    },
    async byPasskey(): Promise<void> {
      const asked = await ask<object>('POST', `${base}/sign-in/passkey/options`)
      const credential = await passkeyAnswer(asked)
      await ask<SignedIn>('POST', `${base}/sign-in/passkey`, { credential })
      await know()
    },
    /** The first password or passkey, with the one-time code of a new account. */
    async enrolPassword(code: string, password: string): Promise<void> {
      await ask<SignedIn>('POST', `${base}/enrolment/password`, { code, password })
      await know()
    },
    async enrolPasskey(code: string): Promise<void> {
      const asked = await ask<object>('POST', `${base}/enrolment/passkey/options`, { code })
      const credential = await passkeyMade(asked)
      await ask<SignedIn>('POST', `${base}/enrolment/passkey`, { code, credential })
      await know()
    },
    async signOut(): Promise<void> {
      await ask<null>('POST', `${base}/sign-out`).catch(() => null)
      this.gone()
    },
    /** The server says that nobody is signed in any more. */
    gone(): void {
      sessionStorage.removeItem(HINT)
      account.value = null
    },
  }
}
