/** Numbers and money as a sequence of clips. */

/** Digits one by one, letters as they are called: `A036`. Empty when one has no clip. */
export function spelled(text: string): string[] {
  const clips = Array.from(text.toUpperCase(), (letter) =>
    /\d/.test(letter) ? `number.${letter}` : /[A-G]/.test(letter) ? `letter.${letter}` : '',
  )
  return clips.includes('') ? [] : clips
}

/** A whole number below 100,000 as it is said: 一百零五, 十二. */
export function counted(number: number): string[] {
  if (number === 0) return ['number.0']
  const clips: string[] = []
  let gap = false
  for (const unit of [10_000, 1000, 100, 10, 1]) {
    const digit = Math.floor(number / unit) % 10
    if (digit === 0) gap = clips.length > 0
    else {
      if (gap) clips.push('number.0')
      clips.push(`number.${digit}`, ...(unit > 1 ? [`number.${unit}`] : []))
      gap = false
    }
  }
  // 十二, not 一十二.
  return clips[0] === 'number.1' && clips[1] === 'number.10' ? clips.slice(1) : clips
}

/** An amount as it is said: 四十元, 十二元五角. */
export function money(fen: number): string[] {
  const whole = Math.floor(fen / 100)
  const jiao = Math.floor(fen / 10) % 10
  const rest = fen % 10
  return [
    ...(whole > 0 || fen === 0 ? [...counted(whole), 'money.yuan'] : []),
    ...(jiao > 0 ? [`number.${jiao}`, 'money.jiao'] : []),
    ...(rest > 0 ? [...(jiao === 0 && whole > 0 ? ['number.0'] : []), `number.${rest}`, 'money.fen'] : []),
  ]
}
