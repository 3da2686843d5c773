import { createApp } from 'vue'
import { BrowserStore } from '../terminal/identity'
import { Clock, get, HttpClient } from '../terminal/requests'
import { playClip } from './clips'
import DeskPage from './desk/Desk.vue'
import { Desk } from './desk/desk'
import Kiosk from './Kiosk.vue'
import { Kiosk as Running } from './kiosk'
import './kiosk.css'
import { makeI18n } from './words'

interface Health {
  mode: string
}

/** Until the listener has answered once nothing can be signed: try until it does. */
async function patiently<Value>(ask: () => Promise<Value>): Promise<Value> {
  for (;;) {
    try {
      return await ask()
    } catch {
      await new Promise((done) => setTimeout(done, 3_000))
    }
  }
}

async function start(): Promise<void> {
  const { origin } = await patiently(() => get<{ origin: string }>('/kiosk/settings.json'))
  const { mode } = await patiently(() => get<Health>('/health'))
  const parts = {
    client: new HttpClient(new Clock()),
    store: new BrowserStore(),
    origin,
    streamOrigin: location.origin.replace(/^http/, 'ws'),
    software: __SOFTWARE__,
    play: playClip,
  }
  const sandbox = mode !== 'production'
  // The same terminal at a desk is the patient's screen there and does only what staff ask for.
  const app =
    location.hash === '#desk'
      ? createApp(DeskPage, { desk: new Desk(parts), sandbox })
      : createApp(Kiosk, { kiosk: new Running(parts), sandbox })
  app.use(makeI18n()).mount('#app')
}

// A kiosk has no second page and nothing to save or to look up by the browser's own menu.
document.addEventListener('contextmenu', (event) => event.preventDefault())
void start()
