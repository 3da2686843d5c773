import { createI18n, useI18n } from 'vue-i18n'
import type { Pair } from '../types'
import { en } from './en'
import { zh, type Words } from './zh'

export type Locale = 'zh-CN' | 'en'
const KEPT = 'shualian.staff.language'

/** The language that was chosen on this machine; Chinese else. */
export function keptLocale(): Locale {
  return localStorage.getItem(KEPT) === 'en' ? 'en' : 'zh-CN'
}

export function makeI18n(locale: Locale = keptLocale()) {
  document.documentElement.lang = locale
  return createI18n<[Words], Locale, false>({
    legacy: false,
    locale,
    fallbackLocale: 'zh-CN',
    messages: { 'zh-CN': zh, en },
  })
}

/** Words of the pages by their key, and words of the server by the language. */
export function useWords() {
  const { t, te, locale } = useI18n()
  return {
    t: (key: string, named: Record<string, string | number> = {}) => t(key, named),
    /** Whether there are words for it. */
    has: (key: string) => te(key),
    of: (pair: Pair) => (locale.value === 'en' ? pair.en : pair.zh),
    /** Of two names of one thing. */
    either: (zhName: string, enName: string) => (locale.value === 'en' && enName !== '' ? enName : zhName),
    locale,
    switchLocale() {
      locale.value = locale.value === 'en' ? 'zh-CN' : 'en'
      document.documentElement.lang = locale.value
      localStorage.setItem(KEPT, locale.value)
    },
  }
}
