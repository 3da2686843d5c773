import { createApp } from 'vue'
import { BrowserStore } from '../terminal/identity'
import { Clock, get, HttpClient } from '../terminal/requests'
import { playClip } from './clips'
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
  const kiosk = new Running({
    client: new HttpClient(new Clock()),
    store: new BrowserStore(),
    origin,
    streamOrigin: location.origin.replace(/^http/, 'ws'),
    software: __SOFTWARE__,
    play: playClip,
  })
  createApp(Kiosk, { kiosk, sandbox: mode !== 'production' }).use(makeI18n()).mount('#app')
}

// A kiosk has no second page and nothing to save or to look up by the browser's own menu.
document.addEventListener('contextmenu', (event) => event.preventDefault())
void start()
