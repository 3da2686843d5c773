/** The camera: opened after consent only, and freed on every way out. */

import { NO_CAMERA, Refused } from './refusal'
import type { Bytes } from './bytes'

const LONG_SIDE = 640
const JPEG_QUALITY = 0.8

export interface Camera {
  readonly stream: MediaStream
  /** The next new frame as JPEG, as the camera sees it: never mirrored. */
  frame(): Promise<Bytes>
  close(): void
}

export type OpenCamera = (signal: AbortSignal) => Promise<Camera>

/**
 * Throws {@link Refused} with `no_camera` when there is none, or it is refused or taken. When the
 * page is left while the browser still asks, whatever is opened is closed at once.
 */
export const openCamera: OpenCamera = async (signal) => {
  const stream = await asked()
  if (signal.aborted) {
    stopAll(stream)
    throw new DOMException('left', 'AbortError')
  }
  return new VideoCamera(stream)
}

async function asked(): Promise<MediaStream> {
  // Absent where the page does not come over HTTPS or from this machine.
  const devices = navigator.mediaDevices as MediaDevices | undefined
  if (devices === undefined) throw new Refused(NO_CAMERA)
  try {
    return await devices.getUserMedia({
      video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: 'user' },
      audio: false,
    })
  } catch {
    throw new Refused(NO_CAMERA)
  }
}

/** Whether a heartbeat may say that the camera works, without opening it. */
export async function cameraLooksWell(): Promise<boolean> {
  const devices = navigator.mediaDevices as MediaDevices | undefined
  if (devices === undefined) return false
  const permission = await navigator.permissions
    .query({ name: 'camera' as PermissionName })
    .catch(() => null)
  if (permission?.state === 'denied') return false
  const found = await devices.enumerateDevices().catch(() => [])
  return found.some((device) => device.kind === 'videoinput')
}

class VideoCamera implements Camera {
  private readonly video = document.createElement('video')
  private readonly canvas = document.createElement('canvas')
  private ready: Promise<void> | null = null

  constructor(readonly stream: MediaStream) {
    this.video.muted = true
    this.video.playsInline = true
    this.video.srcObject = stream
  }

  async frame(): Promise<Bytes> {
    this.ready ??= this.video.play()
    await this.ready
    await this.nextFrame()
    const { videoWidth, videoHeight } = this.video
    const scale = LONG_SIDE / Math.max(videoWidth, videoHeight)
    this.canvas.width = Math.round(videoWidth * scale)
    this.canvas.height = Math.round(videoHeight * scale)
    const context = this.canvas.getContext('2d')
    if (context === null) throw new Refused(NO_CAMERA)
    context.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height)
    return this.jpeg()
  }

  close(): void {
    stopAll(this.stream)
    this.video.srcObject = null
    this.canvas.width = this.canvas.height = 0
  }

  private nextFrame(): Promise<void> {
    return new Promise((done, fail) => {
      const track = this.stream.getVideoTracks()[0]
      if (track === undefined || track.readyState === 'ended') fail(new Refused(NO_CAMERA))
      track?.addEventListener('ended', () => fail(new Refused(NO_CAMERA)), { once: true })
      this.video.requestVideoFrameCallback(() => done())
    })
  }

  private async jpeg(): Promise<Bytes> {
    const blob = await new Promise<Blob | null>((done) =>
      this.canvas.toBlob(done, 'image/jpeg', JPEG_QUALITY),
    )
    if (blob === null) throw new Refused(NO_CAMERA)
    return new Uint8Array(await blob.arrayBuffer())
  }
}

function stopAll(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop()
}
