/** The recorded clips by their names; made by `web/voice/make_clips.py`. */

const FILES = import.meta.glob<string>('../../voice/clips/*.opus', {
  query: '?url',
  import: 'default',
  eager: true,
})

const ADDRESS = new Map(
  Object.entries(FILES).map(([path, address]) => [
    path.slice(path.lastIndexOf('/') + 1, -'.opus'.length),
    address,
  ]),
)

export function hasClip(clip: string): boolean {
  return ADDRESS.has(clip)
}

/** Play one clip to its end; an unknown one is silence. */
export async function playClip(clip: string): Promise<void> {
  const address = ADDRESS.get(clip)
  if (address === undefined) return
  const audio = new Audio(address)
  await new Promise<void>((done, fail) => {
    audio.addEventListener('ended', () => done(), { once: true })
    audio.addEventListener('error', () => fail(new Error(clip)), { once: true })
    audio.play().catch(fail)
  })
}
