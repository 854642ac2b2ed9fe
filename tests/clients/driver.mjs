// Yjs providers, driven over stdin and stdout: one JSON request a line, one JSON answer a line.

import { createInterface } from 'node:readline'
import { Client } from './client.mjs'
import { load, plain } from './documents.mjs'
import { history, recode, whole } from './history.mjs'

const clients = new Map()
const base64 = (bytes) => Buffer.from(bytes).toString('base64')
const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))

const requests = {
  open: ({ client, options }) => {
    const opened = new Client(options)
    clients.set(client, opened)
    return opened.doc.clientID
  },
  close: ({ client }) => {
    of(client).close()
    clients.delete(client)
  },
  connect: ({ client }) => of(client).provider.connect(),
  disconnect: ({ client }) => of(client).provider.disconnect(),
  cut: ({ client }) => of(client).cut(),
  edit: ({ client, kind, details }) => of(client).edit(kind, details),
  content: ({ client, names }) => of(client).content(names),
  state: ({ client }) => base64(of(client).engine.state(of(client).doc)),
  until: ({ client, condition, details, seconds }) =>
    of(client).until(condition, details, seconds),
  events: ({ client }) => of(client).events,
  states: ({ client }) => of(client).states(),
  present: ({ client, state }) => of(client).provider.awareness.setLocalState(state),
  send: ({ client, message }) => of(client).send(bytes(message)),
  load: ({ updates, names }) => load(updates.map(bytes), names),
  plain: ({ update, kinds }) => plain(bytes(update), kinds),
  history: ({ seed, steps }) => history(seed, steps).map(base64),
  recode: ({ updates }) => base64(recode(updates.map(bytes))),
  whole: ({ updates }) => whole(updates.map(bytes))
}

const of = (client) => clients.get(client)

const answer = async (line) => {
  const { id, request, ...details } = JSON.parse(line)
  try {
    const result = (await requests[request](details)) ?? null
    process.stdout.write(JSON.stringify({ id, result }) + '\n')
  } catch (error) {
    process.stdout.write(JSON.stringify({ id, error: String(error.stack ?? error) }) + '\n')
  }
}

createInterface({ input: process.stdin }).on('line', answer).on('close', () => process.exit(0))
