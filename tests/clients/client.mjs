// One provider with its document: what it is told to do, what it saw, and waits for what it will see.

import { createRequire } from 'node:module'
import { isDeepStrictEqual } from 'node:util'
import * as decoding from 'lib0/decoding'
import * as Y13 from 'yjs'
import { WebsocketProvider as Provider2 } from 'y-websocket-2'
import { WebsocketProvider as Provider3 } from 'y-websocket-3'
import { WebsocketProvider as Provider4 } from '@y/websocket'
import WebSocket from 'ws'
import { content, read, yjs13, yjs14 } from './documents.mjs'

// Version 1 loads in Node as CommonJS only, and needs the Yjs that CommonJS loads.
const require = createRequire(import.meta.url)
const versions = {
  1: { Provider: require('y-websocket-1').WebsocketProvider, engine: yjs13(require('yjs')) },
  2: { Provider: Provider2, engine: yjs13(Y13) },
  3: { Provider: Provider3, engine: yjs13(Y13) },
  4: { Provider: Provider4, engine: yjs14 }
}

const SYNC = 0
const STEP_1 = 0
const DENIED = 2
const matches = (event, wanted) =>
  Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(event[key], value))

// What a client can wait for; each says whether it is so now.
const conditions = {
  synced: (client) => client.provider.synced,
  asked: (client) => client.isAsked,
  text: (client, { name, is }) => client.read().getText(name).toString() === is,
  holds: (client, { name, part }) => client.read().getText(name).toString().includes(part),
  map: (client, { name, key, is }) =>
    isDeepStrictEqual(client.read().getMap(name).toJSON()[key], is),
  keys: (client, { name, count }) => client.read().getMap(name).size === count,
  elements: (client, { name, count }) => client.read().getXmlFragment(name).length === count,
  sees: (client, { id, fields }) => {
    const state = client.states()[String(id)]
    return state !== undefined && matches(state, fields)
  },
  misses: (client, { id }) => client.states()[String(id)] === undefined,
  event: (client, { wanted, after }) => client.events.slice(after).some((e) => matches(e, wanted))
}

export class Client {
  constructor ({ version, url, path, params, protocols, headers, awareness, clientId, renews }) {
    const { Provider, engine } = versions[version]
    this.engine = engine
    this.events = []
    this.waits = new Set()
    // Whether the server asked, on this connection, for what the client has.
    this.isAsked = false
    this.doc = engine.create()
    if (clientId !== null) this.doc.clientID = clientId
    this.provider = new Provider(url, path, this.doc, {
      connect: false,
      disableBc: true,
      params,
      protocols,
      WebSocketPolyfill: this.socketClass(headers)
    })
    // Without its timer a client neither repeats its state nor forgets others': what is seen
    // then is the server's doing alone.
    if (!renews) clearInterval(this.provider.awareness._checkInterval)
    this.provider.awareness.setLocalState(awareness)
    this.listen()
    this.provider.connect()
  }

  socketClass (headers) {
    const note = (event) => this.note(event)
    return class extends WebSocket {
      constructor (url, protocols) {
        note({ type: 'connecting' })
        super(url, protocols, { headers })
        this.on('open', () => note({ type: 'open', protocol: this.protocol }))
        this.on('close', (code, reason) => note({ type: 'close', code, reason: String(reason) }))
        this.on('unexpected-response', (_request, response) =>
          note({ type: 'rejected', status: response.statusCode }))
      }
    }
  }

  listen () {
    this.doc.on('update', () => this.changed())
    this.provider.awareness.on('update', () => this.changed())
    this.provider.on('status', ({ status }) => {
      this.isAsked = false
      this.note({ type: 'status', status })
    })
    this.provider.on('sync', (synced) => this.note({ type: 'sync', synced }))
    this.provider.on('connection-error', () => this.note({ type: 'error' }))
    this.provider.on('closed', ({ code, reason }) => this.note({ type: 'closed', code, reason }))
    const sync = this.provider.messageHandlers[SYNC]
    this.provider.messageHandlers[SYNC] = (encoder, decoder, ...rest) => {
      const step = decoding.readVarUint(decoding.clone(decoder))
      sync(encoder, decoder, ...rest)
      if (step === STEP_1) {
        this.isAsked = true
        this.changed()
      }
    }
    const answer = this.provider.messageHandlers[DENIED]
    this.provider.messageHandlers[DENIED] = (encoder, decoder, ...rest) => {
      const copy = decoding.clone(decoder)
      decoding.readVarUint(copy)
      const reason = decoding.readVarString(copy)
      this.note({ type: 'denied', reason })
      answer(encoder, decoder, ...rest)
    }
  }

  note (event) {
    this.events.push(event)
    this.changed()
  }

  changed () {
    for (const wait of this.waits) wait()
  }

  read () {
    return read(this.engine, this.doc)
  }

  states () {
    const states = this.provider.awareness.getStates()
    return Object.fromEntries([...states].map(([id, state]) => [String(id), state]))
  }

  until (condition, details, seconds) {
    const holds = () => conditions[condition](this, details)
    if (holds()) return null
    return new Promise((resolve, reject) => {
      const settle = (act) => {
        this.waits.delete(wait)
        clearTimeout(timer)
        act()
      }
      const wait = () => {
        if (holds()) settle(() => resolve(null))
      }
      const late = () => {
        const seen = { events: this.events, states: this.states() }
        reject(new Error(`never: ${condition} ${JSON.stringify(details)}; ${JSON.stringify(seen)}`))
      }
      const timer = setTimeout(() => settle(late), seconds * 1000)
      this.waits.add(wait)
    })
  }

  edit (kind, details) {
    if ('at' in details) {
      // Others may have deleted some since the test looked.
      const held = this.engine.length(this.doc, details.name)
      details.at = Math.min(details.at, held)
      if ('length' in details) details.length = Math.min(details.length, held - details.at)
    }
    this.engine.edits[kind](this.doc, details)
  }

  content (names) {
    return content(this.read(), names)
  }

  send (bytes) {
    this.provider.ws.send(bytes)
  }

  // As when a laptop is shut: no close frame, and no word to the provider's peers.
  cut () {
    this.provider.shouldConnect = false
    this.provider.ws.terminate()
  }

  close () {
    this.waits.clear()
    this.provider.destroy()
    this.doc.destroy()
  }
}
