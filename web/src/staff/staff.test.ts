import { flushPromises, mount } from '@vue/test-utils'
import { afterEach, expect, test, vi } from 'vitest'
import Staff from './Staff.vue'
import { en, makeI18n, zh } from './words'

afterEach(() => vi.unstubAllGlobals())

test('both languages have the same keys', () => {
  expect(Object.keys(en)).toEqual(Object.keys(zh))
})

test('every stand-in is named', async () => {
  const health = { listener: 'staff', version: '1', mode: 'sandbox', stand_ins: [{ part: 'keys', zh: '开发密钥（替身）', en: 'development keys' }] }
  vi.stubGlobal('fetch', async () => new Response(JSON.stringify(health)))
  const page = mount(Staff, { global: { plugins: [makeI18n('zh-CN')] } })
  await flushPromises()

  expect(page.text()).toContain('演练环境')
  expect(page.text()).toContain('开发密钥（替身）')
})

test('a service that does not answer is said to be so', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('failed')
  })
  const page = mount(Staff, { global: { plugins: [makeI18n('en')] } })
  await flushPromises()

  expect(page.text()).toContain(en.unreachable)
})
