import { createI18n, useI18n } from 'vue-i18n'
import type { Words as Pair } from '../../terminal/refusal'
import { en } from './en'
import { zh, type Words } from './zh'

export type Locale = 'zh-CN' | 'en'

export function makeI18n(locale: Locale = 'zh-CN') {
  return createI18n<[Words], Locale, false>({
    legacy: false,
    locale,
    fallbackLocale: 'zh-CN',
    messages: { 'zh-CN': zh, en },
  })
}

/** Words of the screens by their key, and words of the server by the language. */
export function useWords() {
  const { t, locale } = useI18n()
  return {
    t: (key: string, named: Record<string, string | number> = {}) => t(key, named),
    of: (pair: Pair) => (locale.value === 'en' ? pair.en : pair.zh),
    /** Sentences one after the other, as each language ends them. */
    said: (...pairs: readonly Pair[]) =>
      pairs.map((pair) => (locale.value === 'en' ? pair.en : pair.zh)).join(locale.value === 'en' ? '. ' : '。'),
    locale,
  }
}
