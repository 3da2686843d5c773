// The page's camera is a canvas on which a simulated person is drawn, who looks at the screen.
(() => {
  const FRAME_MS = 70
  const pause = (ms) => new Promise((done) => setTimeout(done, ms))
  const asked = () => document.querySelector('[data-prompt]')?.dataset.prompt ?? ''
  let open = 0
  const count = (change) => {
    open += change
    document.documentElement.dataset.cameras = String(open)
  }
  const devices = navigator.mediaDevices
  if (devices === undefined) return
  devices.enumerateDevices = async () => [{ kind: 'videoinput', deviceId: 'simulated', label: '' }]
  devices.getUserMedia = async () => {
    const canvas = document.createElement('canvas')
    canvas.width = 640
    canvas.height = 480
    const context = canvas.getContext('2d')
    context.fillRect(0, 0, 640, 480)
    const stream = canvas.captureStream(30)
    const track = stream.getVideoTracks()[0]
    count(1)
    const draw = async () => {
      while (track.readyState === 'live') {
        try {
          const answer = await fetch(`/a-simulated-person/frame?prompt=${asked()}`)
          context.drawImage(await createImageBitmap(await answer.blob()), 0, 0)
        } catch {
          context.fillRect(0, 0, 1, 1)
        }
        await pause(FRAME_MS)
      }
      count(-1)
    }
    void draw()
    return stream
  }
})()
