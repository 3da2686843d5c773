import { createI18n } from 'vue-i18n'

export const zh = {
  title: '刷脸就医 · 工作人员',
  state: '这个服务现在的状态',
  listener: '服务',
  version: '版本',
  mode: '模式',
  sandbox: '演练环境',
  production: '正式环境',
  standIns: '替身',
  none: '没有',
  unreachable: '连不上服务，正在重试',
}

export const en: typeof zh = {
  title: 'Face-scan care · staff',
  state: 'How this service stands',
  listener: 'Service',
  version: 'Version',
  mode: 'Mode',
  sandbox: 'Practice mode',
  production: 'Production',
  standIns: 'Stand-ins',
  none: 'None',
  unreachable: 'The service does not answer; trying again',
}

export function makeI18n(language: string) {
  return createI18n<[typeof zh], 'zh-CN' | 'en', false>({
    legacy: false,
    locale: language.startsWith('en') ? 'en' : 'zh-CN',
    messages: { 'zh-CN': zh, en },
  })
}
