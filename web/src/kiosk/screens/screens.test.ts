/** Screens over typed props: what they show, what a touch says, in both languages. */

import { mount } from '@vue/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Component } from 'vue'
import { COPY, FOUND, LIVE, OFFERED, SESSION, TIMES, NOT_MATCHED, NOTICE, SLOTS, SPLIT } from '../../gallery/samples'
import { checkCharacter } from '../../shared/idNumber'
import { NO_CAMERA } from '../../terminal/refusal'
import { TASKS, WAYS } from '../flow'
import { partsOf } from '../parts/split'
import { makeI18n, type Locale } from '../words'
import CardRead from './CardRead.vue'
import CheckFees from './CheckFees.vue'
import Closed from './Closed.vue'
import CodeScan from './CodeScan.vue'
import Departments from './Departments.vue'
import Doctors from './Doctors.vue'
import Help from './Help.vue'
import Home from './Home.vue'
import Identity from './Identity.vue'
import IdNumber from './IdNumber.vue'
import LastDigits from './LastDigits.vue'
import Matters from './Matters.vue'
import Notice from './Notice.vue'
import Pin from './Pin.vue'
import Processing from './Processing.vue'
import Refused from './Refused.vue'
import Scan from './Scan.vue'
import Sessions from './Sessions.vue'
import Success from './Success.vue'
import Times from './Times.vue'
import Ways from './Ways.vue'

function shown(page: Component, props: Record<string, unknown> = {}, locale: Locale = 'zh-CN') {
  return mount(page, { props, global: { plugins: [makeI18n(locale)] }, attachTo: document.body })
}

const id = (name: string): string => `[data-testid="${name}"]`

beforeEach(() => vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  document.body.innerHTML = ''
})

function typed(page: ReturnType<typeof shown>, keys: string) {
  return Array.from(keys).reduce(
    (before, key) => before.then(() => page.findAll('.key').find((each) => each.text() === key)?.trigger('click')),
    Promise.resolve<unknown>(null),
  )
}

test('home holds six tasks and the rest behind "more", and no task is lost', () => {
  const first = shown(Home, { tasks: TASKS, more: false }).findAll('[data-testid^="task-"]')
  const rest = shown(Home, { tasks: TASKS, more: true }).findAll('[data-testid^="task-"]')

  expect(first).toHaveLength(6)
  expect(first.length + rest.length).toBe(TASKS.length)
})

test('a terminal that can do little shows it on one page', () => {
  const home = shown(Home, { tasks: ['activate', 'matters'], more: false })

  expect(home.findAll('.tile')).toHaveLength(2)
  expect(home.find(id('more')).exists()).toBe(false)
})

test('every way is a tile of its own, of one kind', () => {
  const tiles = shown(Ways, { ways: WAYS, withoutFace: false }).findAll('.tile')

  expect(tiles).toHaveLength(4)
  expect(new Set(tiles.map((tile) => tile.classes().join(' '))).size).toBe(1)
})

test('a wrong check digit is named at once and is not sent', async () => {
  const body = '99000019620314018'
  const right = checkCharacter(body)
  const page = shown(IdNumber)
  await typed(page, body + (right === '1' ? '2' : '1'))
  expect(page.find(id('trouble')).text()).toContain('号码好像输错了')
  await page.find(id('ok')).trigger('click')
  expect(page.emitted('number')).toBeUndefined()

  await page.find('.key-delete').trigger('click')
  await typed(page, right)
  await page.find(id('ok')).trigger('click')
  expect(page.emitted('number')).toEqual([[body + right]])
})

test('what was typed is masked after a second', async () => {
  const page = shown(IdNumber)
  await typed(page, '99')
  expect(page.findAll('.id-box').slice(0, 2).map((box) => box.text())).toEqual(['•', '9'])
  await vi.advanceTimersByTimeAsync(1000)

  expect(page.text()).not.toContain('•9')
  expect(page.findAll('.id-box').slice(0, 2).map((box) => box.text())).toEqual(['•', '•'])
})

test('of the last four only the last may be X', async () => {
  const page = shown(LastDigits)
  await typed(page, 'X018X')
  await page.find(id('ok')).trigger('click')

  expect(page.emitted('digits')).toEqual([['018X']])
})

test('without the first tick agreeing asks for it, and nothing is ticked beforehand', async () => {
  const page = shown(Notice, { notice: NOTICE, ticks: [] })
  expect(page.findAll('[role=checkbox]').map((tick) => tick.attributes('aria-checked'))).toEqual(['false', 'false', 'false'])
  await page.find(id('agree')).trigger('click')
  expect(page.emitted('agree')).toBeUndefined()
  expect(page.find('[role=alert]').text()).toContain('刷脸要先点第一项')

  await page.setProps({ ticks: ['comparison'] })
  await page.find(id('agree')).trigger('click')
  expect(page.emitted('agree')).toHaveLength(1)
})

test('the notice is shown whole, sentence by sentence', () => {
  for (const locale of ['zh-CN', 'en'] as const) {
    const text = shown(Notice, { notice: NOTICE, ticks: [] }, locale).find('.notice-text')
    const whole = locale === 'en' ? NOTICE.text.en : NOTICE.text.zh
    const sentences = text.findAll('p').map((each) => each.text())

    expect(sentences.length).toBeGreaterThan(5)
    expect(sentences.join(locale === 'en' ? ' ' : '')).toBe(whole)
  }
})

test('the scan says one thing: a turn, unless something graver is in the way', () => {
  const turning = shown(Scan, { live: { ...LIVE, hint: null, prompt: 'left' }, helper: false })
  expect(turning.find(id('hint')).text()).toBe('请慢慢向左转头')
  const dark = shown(Scan, { live: { ...LIVE, hint: 'too_dark', prompt: 'left' }, helper: false })
  expect(dark.find(id('hint')).text()).toBe('光线太暗，请面向亮处')
})

test('who helps another is told to stand aside', () => {
  const props = { live: { ...LIVE, hint: 'several_people' } }

  expect(shown(Scan, { ...props, helper: true }).find(id('hint')).text()).toContain('您站到旁边')
})

test('a region that is a code of digits is not shown', () => {
  expect(shown(Identity, { found: FOUND, notes: [] }).text()).not.toContain('990000')
  const named = { ...FOUND, person: { ...FOUND.person, region: '示例市' } }
  expect(shown(Identity, { found: named, notes: [] }).text()).toContain('示例市')
})

test('a refusal has its words, its next step, who helps, and its ways on', async () => {
  const page = shown(Refused, { refusal: NO_CAMERA, failure: null, exits: ['way', 'home'], money: null })

  expect(page.text()).toContain(NO_CAMERA.message.zh)
  expect(page.text()).toContain(NO_CAMERA.next.zh)
  expect(page.text()).toContain('技术人员')
  await page.find(id('exit-way')).trigger('click')
  expect(page.emitted('exit')).toEqual([['way']])
})

test('of a scan failure the words of the table count, in the language of the page', () => {
  const props = { refusal: { ...NO_CAMERA, told: 'not_matched' }, failure: NOT_MATCHED, money: null, exits: ['again'] }

  expect(shown(Refused, props).text()).toContain(NOT_MATCHED.zh)
  expect(shown(Refused, props, 'en').text()).toContain(NOT_MATCHED.en)
})

test('help names who comes', () => {
  const helper = { zh: '导医 李示例', en: 'Guide 李示例' }
  const said = (state: string, who: object | null) =>
    shown(Help, { help: { state, helper: who }, machine: 'K02' }).text()

  expect(said('coming', helper)).toContain('导医 李示例马上过来')
  expect(said('coming', helper)).toContain('K02')
  expect(said('heard', helper)).toContain('已经通知导医 李示例')
  for (const text of [said('heard', helper), said('ringing', null), said('nobody', null)])
    expect(text).not.toContain('马上过来')
})

test('a closed terminal says what people can do, and a lost network says so after ten seconds', async () => {
  const props = { terminalId: 't', keyId: '', code: '' }
  expect(shown(Closed, { ...props, standing: 'suspended' }).text()).toContain('请用旁边的机器或去窗口')
  const offline = shown(Closed, { ...props, standing: 'offline' })
  expect(offline.text()).toContain('正在重新连接')
  await vi.advanceTimersByTimeAsync(10_000)

  expect(offline.text()).toContain('请用旁边的机器或去窗口')
})

test('a code is read by the scanner, which types faster than anybody', async () => {
  const page = shown(CodeScan)
  for (const key of ['A', 'B', 'C', '1', '2', '3', 'Enter'])
    window.dispatchEvent(Object.assign(new KeyboardEvent('keydown', { key })))

  expect(page.emitted('token')).toEqual([['ABC123']])
})

test('a card is read and its PIN typed on the page', async () => {
  const page = shown(CardRead)
  for (const key of ['9', '9', '0', '0', '1', '1', 'Enter']) window.dispatchEvent(new KeyboardEvent('keydown', { key }))
  await page.vm.$nextTick()
  await typed(page, '123456')
  expect(page.find('.pin').text()).toBe('••••••')
  await page.find(id('ok')).trigger('click')

  expect(page.emitted('card')).toEqual([[{ cardNo: '990011', pin: '123456' }]])
})

test('withdrawing asks once more, and shows the receipt', async () => {
  const receipt = { number: '01KRECEIPT', print_zh: [], print_en: [] }
  const withdraw = vi.fn(async () => ({ purposes: ['template'], at: '', receipt }))
  const page = shown(Matters, { copy: async () => COPY, withdraw })
  await vi.advanceTimersByTimeAsync(0)
  await page.find(id('withdraw-template')).trigger('click')
  expect(withdraw).not.toHaveBeenCalled()
  await page.find(id('sure')).trigger('click')
  await vi.advanceTimersByTimeAsync(0)

  expect(withdraw).toHaveBeenCalledWith('template')
  expect(page.find(id('withdrawn')).text()).toContain('01KRECEIPT')
  expect(page.find(id('held-template')).text()).toContain('没有同意')
})

test('six common departments, the others on demand, a guide for who does not know', async () => {
  const page = shown(Departments, { offered: OFFERED })
  expect(page.findAll(id('department'))).toHaveLength(6)
  await page.find(id('all')).trigger('click')
  expect(page.findAll(id('department'))).toHaveLength(OFFERED.length)
  await page.find(id('guide')).trigger('click')

  expect(page.emitted('guide')).toHaveLength(1)
})

test('a doctor without a place left cannot be chosen', async () => {
  const page = shown(Doctors, { department: SESSION.department.name, slots: SLOTS })
  for (const slot of page.findAll(id('slot'))) await slot.trigger('click')

  expect(page.emitted('slot')).toEqual([['1'], ['2'], ['4']])
  expect(page.text()).toContain('50.00 元')
})

test('the bill is a picture whose parts add up; why something is left is told who asks', async () => {
  const page = shown(CheckFees, { what: '挂号费', split: SPLIT, walletTail: '1234', why: null })
  const widths = page.findAll('rect').map((bar) => Number(bar.attributes('width')))

  expect(widths.reduce((sum, each) => sum + each, 0)).toBeCloseTo(100)
  expect(page.find('svg[role=img]').attributes('aria-label')).toContain('还要另付 12.00 元')
  expect(page.text()).toContain('258.60')
  expect(page.find(id('split-why')).exists()).toBe(false)
  await page.find(id('why-rest')).trigger('click')
  expect(page.find(id('why-rest')).attributes('aria-expanded')).toBe('true')
  expect(page.find(id('split-why')).text()).toContain('医保外 8.60')
})

test('a split that does not add up is not drawn', () => {
  expect(() => partsOf({ ...SPLIT, restFen: 1 })).toThrow(RangeError)
})

test('a bill of nothing has a picture without bars', () => {
  const nothing = { totalFen: 0, fundFen: 0, accountFen: 0, hospitalFen: 0, restFen: 0, outsideFen: 0, upfrontFen: 0, deductibleFen: 0 }

  expect(shown(CheckFees, { what: '', split: nothing, walletTail: null, why: null }).findAll('rect')).toHaveLength(0)
})

test('without an authorised account the slip for the window is the only way, and says so', () => {
  const page = shown(CheckFees, { what: '', split: SPLIT, walletTail: null, why: null })

  expect(page.find(id('confirm')).exists()).toBe(false)
  expect(page.find(id('cash')).classes()).toContain('main')
  expect(page.text()).toContain('当天到窗口付')
})

test('what insurance pays whole is confirmed without an account', async () => {
  const split = { ...SPLIT, fundFen: SPLIT.fundFen + SPLIT.restFen, restFen: 0 }
  const page = shown(CheckFees, { what: '', split, walletTail: null, why: null })
  await page.find(id('confirm')).trigger('click')

  expect(page.emitted('confirm')).toHaveLength(1)
})

test('why a face cannot pay here stands on the bill, with the way that is left', () => {
  const page = shown(CheckFees, { what: '', split: SPLIT, walletTail: '1234', why: NO_CAMERA })

  expect(page.find(id('why')).text()).toContain(NO_CAMERA.message.zh)
  expect(page.find(id('confirm')).exists()).toBe(false)
})

test('a PIN is typed under its amount, is never shown, and is asked for again when it was wrong', async () => {
  const page = shown(Pin, { amountFen: 25860, ownFen: 1200, wrong: null })
  await typed(page, '1357909')
  expect(page.find('h1').text()).toContain('自己付 12.00 元')
  expect(page.text()).not.toContain('13579')
  await page.find(id('ok')).trigger('click')
  expect(page.emitted('pin')).toEqual([['135790']])

  await page.setProps({ wrong: NO_CAMERA })
  expect(page.find(id('pin-trouble')).text()).toContain(NO_CAMERA.message.zh)
  await page.find(id('ok')).trigger('click')
  expect(page.emitted('pin')).toHaveLength(1)
})

test('where nothing is left to pay oneself, the PIN is typed under the whole bill', () => {
  expect(shown(Pin, { amountFen: 25860, ownFen: 0, wrong: null }).find('h1').text()).toContain('一共 258.60 元')
})

test('who books chooses the day first, who registers for today is not asked', async () => {
  const sessions = [SESSION, { ...SESSION, session_no: 'S2', day: '2026-11-30' }]
  const book = shown(Sessions, { department: SESSION.department, sessions, byDay: true })
  expect(book.findAll(id('slot'))).toHaveLength(0)
  await book.findAll(id('day'))[1]?.trigger('click')
  await book.find(id('slot')).trigger('click')
  expect(book.emitted('session')).toEqual([[sessions[1]]])

  const today = shown(Sessions, { department: SESSION.department, sessions: [SESSION], byDay: false })
  expect(today.findAll(id('slot'))).toHaveLength(1)
})

test('times that somebody holds are not offered', () => {
  const page = shown(Times, { session: SESSION, slots: TIMES })

  expect(page.findAll(id('time'))).toHaveLength(TIMES.filter((each) => each.free).length)
  expect(page.text()).toContain('10:00')
})

test('a refusal says what is known of money, and nothing where none was asked for', () => {
  const props = { refusal: NO_CAMERA, failure: null, exits: ['home'] }

  expect(shown(Refused, { ...props, money: 'untouched' }).find(id('money')).text()).toBe('您没有被扣钱')
  expect(shown(Refused, { ...props, money: 'open' }).find(id('money')).text()).toContain('请先别重复缴费')
  expect(shown(Refused, { ...props, money: null }).find(id('money')).exists()).toBe(false)
})

test('a lost network while money may move says that nothing is charged twice', () => {
  const page = shown(Processing, { lost: true })

  expect(page.find(id('late')).text()).toContain('网络不通')
  expect(page.find(id('late')).text()).toContain('不会重复扣款')
})

test('a settlement that takes long is never told as failed', async () => {
  const page = shown(Processing, { lost: false })
  await vi.advanceTimersByTimeAsync(15_000)

  expect(page.find(id('late')).text()).toContain('不会重复扣款')
  expect(page.text()).not.toContain('没有办成')
  expect(page.emitted('late')).toHaveLength(1)
})

test('success says the number, where to go, and leaves by itself unless asked to wait', async () => {
  const page = shown(Success, {
    kind: 'register',
    patient: '张*小',
    number: 'A036',
    where: { zh: '二层 216 诊室', en: 'room 216' },
    when: null,
    department: { zh: '呼吸内科', en: 'Respiratory' },
    doctor: { zh: '王示例', en: 'Dr Wang' },
    before: 5,
    notes: [['诊查费', '50.00 元']],
  })
  expect(page.find(id('ticket')).text()).toContain('A036')
  expect(page.text()).toContain('前面还有 5 人')
  expect(page.find('header').text()).toContain('给家人 张*小 办的')
  // The paper says the same as the screen.
  for (const words of ['A036', '张*小', '二层 216 诊室', '王示例', '50.00 元']) expect(page.find(id('slip')).text()).toContain(words)
  await vi.advanceTimersByTimeAsync(29_000)
  await page.find(id('wait')).trigger('click')
  await vi.advanceTimersByTimeAsync(29_000)
  expect(page.emitted('done')).toBeUndefined()
  await vi.advanceTimersByTimeAsync(1_000)

  expect(page.emitted('done')).toHaveLength(1)
})
