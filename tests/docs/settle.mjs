// What a page's program gets from a browser, and how it ends here: when its provider is in sync.

import WebSocket from 'ws'

globalThis.WebSocket ??= WebSocket

const SECONDS = 60

globalThis.settled = (provider) => {
  setTimeout(() => {
    console.error(`not in sync after ${SECONDS} s`)
    process.exit(1)
  }, SECONDS * 1000)
  if (provider.synced) process.exit(0)
  provider.on('sync', (synced) => synced && process.exit(0))
}
