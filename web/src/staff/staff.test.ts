import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PAGES, pagesFor } from './pages'
import type { About } from './about'
import { newCommand } from './command'
import { fenOf } from './money'
import { refusalOf } from './refusal'
import { clock, day } from './times'
import { en } from './words/en'
import { zh } from './words/zh'

const HERE = import.meta.dirname

function leaves(words: object, prefix = ''): [string, string][] {
  return Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'string' ? [[prefix + key, value] as [string, string]] : leaves(value as object, `${prefix}${key}.`),
  )
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((each) => {
    const path = join(folder, each.name)
    if (each.isDirectory()) return each.name === 'words' ? [] : sources(path)
    return /\.(vue|ts)$/.test(each.name) && !each.name.endsWith('.test.ts') ? [readFileSync(path, 'utf8')] : []
  })
}

const has = (key: string) => key.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], zh)

test('both languages have the same keys and name the same values', () => {
  const named = ([key, text]: [string, string]) => [key, (text.match(/\{\w+\}/g) ?? []).sort()]

  expect(leaves(en).map(named)).toEqual(leaves(zh).map(named))
})

test('the English words hold no Chinese but the switch to it', () => {
  expect(leaves(en).filter(([, text]) => /[一-鿿]/.test(text))).toEqual([['language', '中文']])
})

test('every word that a page names is there', () => {
  const asked = sources(HERE).flatMap((text) => [...text.matchAll(/\bt\('([\w.]+)'/g)].map((found) => found[1] ?? ''))

  expect(asked.length).toBeGreaterThan(300)
  expect(asked.filter((key) => typeof has(key) !== 'string')).toEqual([])
})

test('every word whose last part comes from the server has its group', () => {
  const groups = sources(HERE).flatMap((text) => [...text.matchAll(/\bt\(`([\w.]+)\.\$\{/g)].map((found) => found[1] ?? ''))

  expect(groups.length).toBeGreaterThan(20)
  expect(groups.filter((key) => typeof has(key) !== 'object')).toEqual([])
})

test('every page and every state has its name', () => {
  expect(PAGES.filter((page) => !(page.name in zh.page))).toEqual([])
  expect(Object.keys(zh.state)).toContain('bill')
})

const house = { code: 'H1', zh: '医院', en: 'Hospital' }
const HOSPITAL: About = { origin: '', side: 'hospital', sandbox: true, institution: house, hospitals: [], stand_ins: {} }
const INSURER: About = { ...HOSPITAL, side: 'insurer', institution: null }

test.each([
  ['clerk', HOSPITAL, ['cashier', 'register', 'refunds', 'shift']],
  ['doctor', HOSPITAL, ['clinic', 'critical', 'examinations']],
  ['pharmacist', HOSPITAL, ['pharmacy', 'stock']],
  ['nurse', HOSPITAL, ['ward', 'dialysis', 'checks', 'registration']],
  ['supervisor', INSURER, ['terminals', 'accounts', 'doctors', 'ward_results', 'alerts', 'knobs']],
  ['volunteer', HOSPITAL, []],
] as const)('a %s sees the own pages and no others', (role, about, names) => {
  expect(pagesFor([role], about).map((page) => page.name)).toEqual(names)
})

test('nobody sees the stand-ins outside of the sandbox', () => {
  const pages = pagesFor(['administrator'], { ...HOSPITAL, sandbox: false })

  expect(pages.map((page) => page.name)).not.toContain('knobs')
})

test('a command has 26 characters, sorts by time and is no other', () => {
  const made = [newCommand(1), newCommand(2_000_000_000_000), newCommand(2_000_000_000_000)]

  expect(made.every((each) => /^[0-9A-HJKMNP-TV-Z]{26}$/.test(each))).toBe(true)
  expect(made[0]! < made[1]!).toBe(true)
  expect(made[1]).not.toBe(made[2])
})

test('yuan as it is typed becomes whole fen, or nothing', () => {
  expect(['12', '12.5', '12.50', ' 0.05 ', '12。3', '12.'].map(fenOf)).toEqual([1200, 1250, 1250, 5, 1230, 1200])
  expect(['', 'a', '1.234', '-1', '1e3', '12345678'].map(fenOf)).toEqual([null, null, null, null, null, null])
})

test('a problem is told as the server says it; anything else is told as not understood', () => {
  const problem = { code: 'hospital.slip_not_found', message: house, next: house, helper: 'clerk', finality: 'final', request_id: 'R1' }

  expect(refusalOf(problem)).toMatchObject({ code: 'hospital.slip_not_found', helper: 'clerk', requestId: 'R1' })
  expect(refusalOf('<html>').code).toBe('staff.untold')
  expect(refusalOf(null).finality).toBe('unknown')
})

test('moments are told in the time of China, wherever the machine stands', () => {
  expect(clock('2026-11-29T16:05:00Z')).toBe('00:05')
  expect(day('2026-11-29T16:05:00Z')).toBe('2026-11-30')
})
