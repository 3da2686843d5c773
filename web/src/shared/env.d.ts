/// <reference types="vite/client" />
declare const __SOFTWARE__: string
