/** A capture as the reference client speaks it: begin, ticket, frames, hints, signed end. */

import type { components } from '../contract/terminal'
import { base64, hex, type Bytes } from './bytes'
import { beginChain, endStatement, packFrame, type Chain } from './chain'
import { sign } from './keys'
import { NOT_UNDERSTOOD, Refused, refusalOf, UNREACHABLE, type Refusal } from './refusal'
import type { Client, Signer } from './requests'

type Schemas = components['schemas']
export type BeginBody = Schemas['BeginBody']
export type BeginAnswer = Schemas['BeginAnswer']
export type LookFor = BeginBody['look_for']
export type Scene = Schemas['Scene']
export type Claim = Schemas['ClaimBody']
export type Result = Schemas['ResultBody']
export type ResultMessage = Schemas['ResultMessage']
export type Seen = Schemas['SeenMessage']
export type Purpose = Schemas['ConsentPurpose']
export type Person = Schemas['PersonBody']
export type Relative = Schemas['RelativeBody']
export type Turn = Schemas['Turn']
export type Box = Schemas['BoxBody']
type Message =
  | Schemas['OpenedMessage']
  | Schemas['SeenMessage']
  | Schemas['EnoughMessage']
  | Schemas['ResultMessage']
  | Schemas['RefusedMessage']

export const CAPTURES_PATH = '/terminal/v1/captures'
export const STREAM_PATH = `${CAPTURES_PATH}/stream`
export const RESULT_PATH = `${CAPTURES_PATH}/result`
export const PROOF_PATH = `${CAPTURES_PATH}/proof`

const ANSWER_MS_MAX = 30_000
const CONNECT_MS_MAX = 8_000
/** Of the rate that the server allows: two clocks are never quite alike. */
const RATE_KEPT = 0.75

export interface Sight {
  hint: Seen['hint']
  progress: number
  prompt: Turn | null
  box: Box | null
}

/** What an attempt came to; with `mayGoOn` the same socket takes another one. */
export type Outcome =
  | { kind: 'result'; result: ResultMessage; mayGoOn: boolean }
  | { kind: 'refused'; refusal: Refusal; mayGoOn: boolean; attemptsLeft: number }

export interface FrameSource {
  frame(): Promise<Bytes>
}

/** Messages of one socket, one awaited at a time. */
export interface Channel {
  send(message: string | Bytes): void
  receive(): Promise<string>
  close(): void
}

export type Connect = (uri: string) => Promise<Channel>

export class CaptureClient {
  constructor(
    private readonly client: Client,
    private readonly signer: Signer,
    readonly claim: Claim,
    private readonly streamUri: string,
    private readonly connect: Connect = connectSocket,
  ) {}

  async begin(asked: Omit<BeginBody, 'claim'>): Promise<CaptureSession> {
    const body: BeginBody = { ...asked, claim: this.claim }
    const begun = await this.client.post<BeginAnswer>(CAPTURES_PATH, body, this.signer)
    return new CaptureSession(begun, this.signer, () => this.connect(this.streamUri))
  }

  /** How a capture stands, for a terminal whose socket was cut. */
  result(sessionId: string): Promise<Result> {
    return this.client.post<Result>(RESULT_PATH, { session_id: sessionId }, this.signer)
  }

  /** Have proven what the person has just confirmed on the screen. */
  prove(
    sessionId: string,
    intent: Schemas['IntentBody'],
    pin: string | null = null,
  ): Promise<Schemas['ProofAnswer']> {
    const body: Schemas['ProofBody'] = { session_id: sessionId, claim: this.claim, intent, pin }
    return this.client.post<Schemas['ProofAnswer']>(PROOF_PATH, body, this.signer)
  }
}

export class CaptureSession {
  readonly sessionId: string
  private channel: Channel | null = null
  private chain: Chain | null = null
  private sentAt = 0

  constructor(
    private readonly begun: BeginAnswer,
    private readonly signer: Signer,
    private readonly connect: () => Promise<Channel>,
  ) {
    this.sessionId = begun.session_id
  }

  /** Frames until there are enough, then the decision; `signal` leaves at the next frame. */
  async attempt(
    source: FrameSource,
    seen: (sight: Sight) => void,
    signal: AbortSignal,
    lookFor: LookFor | null = null,
  ): Promise<Outcome> {
    const opened = this.channel === null ? await this.open() : await this.again(lookFor)
    if (opened.type === 'refused') return refusedOutcome(opened)
    if (opened.type !== 'opened') throw new Refused(NOT_UNDERSTOOD)
    const end = await this.watch(source, seen, signal)
    return end.type === 'refused' ? refusedOutcome(end) : this.decision()
  }

  close(): void {
    this.channel?.close()
  }

  private async open(): Promise<Message> {
    const { nonce, session_id, ticket } = this.begun
    this.chain = await beginChain(nonce)
    this.channel = await this.connect()
    return this.ask({ type: 'open', session_id, ticket, nonce })
  }

  private again(lookFor: LookFor | null): Promise<Message> {
    return this.ask({ type: 'again', look_for: lookFor ?? { kind: 'expected' } })
  }

  private async watch(
    source: FrameSource,
    seen: (sight: Sight) => void,
    signal: AbortSignal,
  ): Promise<Message> {
    for (;;) {
      const jpeg = await source.frame()
      await this.keepRate()
      signal.throwIfAborted()
      const answer = await this.show(jpeg)
      if (answer.type !== 'seen') return answer
      const { hint, progress, prompt, box } = answer
      seen({ hint, progress, prompt, box })
    }
  }

  private async show(jpeg: Bytes): Promise<Message> {
    const [grown, message] = await packFrame(this.chained(), jpeg)
    this.chain = grown
    this.opened().send(message)
    return this.hear()
  }

  private async decision(): Promise<Outcome> {
    const { nonce, session_id } = this.begun
    const chain = this.chained()
    const signature = await sign(this.signer.key, endStatement(session_id, nonce, chain))
    const heard = await this.ask({
      type: 'end',
      count: chain.count,
      chain: hex(chain.value),
      signature: base64(signature),
    })
    if (heard.type === 'refused') return refusedOutcome(heard)
    if (heard.type !== 'result') throw new Refused(NOT_UNDERSTOOD)
    return { kind: 'result', result: heard, mayGoOn: heard.may_go_on }
  }

  private ask(message: object): Promise<Message> {
    this.opened().send(JSON.stringify(message))
    return this.hear()
  }

  private async hear(): Promise<Message> {
    const text = await this.opened().receive()
    const message = JSON.parse(text) as Partial<Message> | null
    if (typeof message?.type !== 'string') throw new Refused(NOT_UNDERSTOOD)
    return message as Message
  }

  private async keepRate(): Promise<void> {
    const apart = 1000 / (this.begun.limits.frames_per_second_max * RATE_KEPT)
    const early = this.sentAt + apart - performance.now()
    if (early > 0) await new Promise((done) => setTimeout(done, early))
    this.sentAt = performance.now()
  }

  private opened(): Channel {
    if (this.channel === null) throw new Refused(UNREACHABLE)
    return this.channel
  }

  private chained(): Chain {
    if (this.chain === null) throw new Refused(NOT_UNDERSTOOD)
    return this.chain
  }
}

function refusedOutcome(message: Schemas['RefusedMessage']): Outcome {
  return {
    kind: 'refused',
    refusal: refusalOf(message),
    mayGoOn: message.may_go_on,
    attemptsLeft: message.attempts_left,
  }
}

/** A WebSocket; a closed or silent one is {@link UNREACHABLE}. */
export const connectSocket: Connect = (uri) =>
  new Promise((done, fail) => {
    const socket = new WebSocket(uri)
    socket.binaryType = 'arraybuffer'
    const channel = new SocketChannel(socket)
    const lost = (): void => fail(new Refused(UNREACHABLE))
    const late = setTimeout(() => {
      socket.close()
      lost()
    }, CONNECT_MS_MAX)
    socket.addEventListener('open', () => {
      clearTimeout(late)
      done(channel)
    })
    socket.addEventListener('close', () => {
      clearTimeout(late)
      lost()
    })
  })

class SocketChannel implements Channel {
  private readonly heard: string[] = []
  private waiting: { done: (text: string) => void; fail: (reason: Refused) => void } | null = null
  private closed = false

  constructor(private readonly socket: WebSocket) {
    socket.addEventListener('message', (event: MessageEvent<unknown>) => {
      if (typeof event.data === 'string') this.arrived(event.data)
    })
    socket.addEventListener('close', () => {
      this.closed = true
      this.waiting?.fail(new Refused(UNREACHABLE))
      this.waiting = null
    })
  }

  send(message: string | Bytes): void {
    if (this.closed) throw new Refused(UNREACHABLE)
    this.socket.send(message)
  }

  receive(): Promise<string> {
    const next = this.heard.shift()
    if (next !== undefined) return Promise.resolve(next)
    if (this.closed) return Promise.reject(new Refused(UNREACHABLE))
    return new Promise((done, fail) => {
      const late = setTimeout(() => fail(new Refused(UNREACHABLE)), ANSWER_MS_MAX)
      this.waiting = {
        done: (text) => {
          clearTimeout(late)
          done(text)
        },
        fail: (reason) => {
          clearTimeout(late)
          fail(reason)
        },
      }
    })
  }

  close(): void {
    this.socket.close(1000)
  }

  private arrived(text: string): void {
    if (this.waiting === null) this.heard.push(text)
    else {
      this.waiting.done(text)
      this.waiting = null
    }
  }
}
