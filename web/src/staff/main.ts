import { createApp } from 'vue'
import Staff from './Staff.vue'
import './staff.css'
import { makeI18n } from './words'

createApp(Staff).use(makeI18n(navigator.language)).mount('#app')
