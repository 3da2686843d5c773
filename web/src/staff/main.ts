import { createApp } from 'vue'
import App from './App.vue'
import { loadAbout } from './about'
import './element'
import SecondScreen from './cashier/SecondScreen.vue'
import { SESSION, makeSession } from './session'
import { makeI18n } from './words'
import './staff.css'

/** The patient's screen is a second window of the clerk's browser; nobody signs in there. */
const SECOND = '#second'

async function start(): Promise<void> {
  if (location.hash === SECOND) {
    createApp(SecondScreen).use(makeI18n()).mount('#app')
    return
  }
  const about = await loadAbout()
  const session = makeSession(about)
  await session.resume()
  const app = createApp(App).use(makeI18n())
  app.provide(SESSION, session)
  app.mount('#app')
}

void start()
