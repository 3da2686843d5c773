import { resolve } from 'node:path'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'
import manifest from './package.json' with { type: 'json' }

/** One build for each entry, so that a listener serves its own pages and nothing of another's. */
export default defineConfig(({ mode }) => {
  const entry = ['kiosk', 'staff', 'gallery'].includes(mode) ? mode : 'kiosk'
  return {
    root: mode === 'test' ? import.meta.dirname : resolve(import.meta.dirname, 'entries', entry),
    base: `/${entry}/`,
    publicDir: resolve(import.meta.dirname, 'public'),
    plugins: [vue()],
    define: {
      __SOFTWARE__: JSON.stringify(manifest.version),
      __VUE_OPTIONS_API__: 'false',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_I18N_FULL_INSTALL__: 'false',
      __VUE_I18N_LEGACY_API__: 'false',
      __INTLIFY_PROD_DEVTOOLS__: 'false',
    },
    build: {
      outDir: resolve(import.meta.dirname, 'dist', entry),
      emptyOutDir: true,
      // The content-security policy allows neither data: addresses nor inline scripts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      target: 'es2022',
      reportCompressedSize: false,
    },
    test: {
      environment: 'happy-dom',
      include: ['src/**/*.test.ts'],
      // Its style files are for a bundler.
      server: { deps: { inline: ['element-plus'] } },
      css: false,
    },
  }
})
