// The MeshAgent SDK for JavaScript by remote control: a line of JSON for each request and answer.

import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'

// What the package offers to `import` does not load in Node.
const sdk = createRequire(import.meta.url)('@meshagent/meshagent')

// The SDK prints every change of a document, and a refused socket fails a promise of nobody.
console.log = console.debug = () => {}
for (const fault of ['uncaughtException', 'unhandledRejection']) {
  process.on(fault, (error) => console.error(error))
}

const base64 = (bytes) => Buffer.from(bytes ?? []).toString('base64')
const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))

const pack = (content) => {
  const [header, payload] = sdk.unpackMessage(content.pack())
  return payload.length ? { ...header, data: base64(payload) } : header
}
const unpack = ({ data, ...header }) =>
  sdk.unpackContent(sdk.packMessage(header, data ? bytes(data) : undefined))

// Whether a value has at least what is wanted.
const holds = (value, wanted) =>
  isObject(value) && isObject(wanted)
    ? Object.keys(wanted).every((key) => key in value && holds(value[key], wanted[key]))
    : isDeepStrictEqual(value, wanted)
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

// As the SDK for Python tells a document.
const toJson = (element) => {
  if (element instanceof sdk.TextElement) return { text: { delta: element.delta } }
  const { $id, ...attributes } = element.attributes
  const children = element.elementType.childPropertyName
  const content = children ? { [children]: element.children.map(toJson) } : {}
  return { [element.tagName]: { ...attributes, ...content } }
}

// Answers with what it was asked; waits or fails if it is asked to.
class Ask extends sdk.Tool {
  constructor (client) {
    const inputSchema = { type: 'object', additionalProperties: true }
    super({ name: 'ask', title: 'ask', description: '', inputSchema })
    this.client = client
  }

  async execute (args) {
    this.client.note('asked', { arguments: args })
    if ('fail' in args) throw new Error(args.fail)
    if ('wait' in args) await new Promise(() => {})
    if ('reply' in args) return unpack(args.reply)
    return new sdk.JsonContent({ json: { arguments: args } })
  }
}

// A call whose input, output or both are streams.
class Call {
  constructor () {
    this.queue = []
    this.wake = () => {}
  }

  put (content) {
    this.queue.push(content)
    this.wake()
  }

  async * contents () {
    while (true) {
      while (this.queue.length === 0) await new Promise((resolve) => { this.wake = resolve })
      const content = this.queue.shift()
      if (content === null) return
      yield content
    }
  }
}

const conditions = {
  event: (client, { wanted, after }) =>
    client.events.slice(after).some((event) => holds(event, wanted)),
  participant: (client, { wanted }) => client.participants().some((each) => holds(each, wanted)),
  alone: (client) => client.participants().length === 0,
  content: (client, { path, content }) => isDeepStrictEqual(client.content(path), content),
  children: (client, { path, count }) =>
    client.documents.get(path).root.getChildren().length === count
}

// One participant in a room, what it saw, and what is waited for.
class Client {
  constructor (url, token) {
    const protocolFactory = sdk.WebSocketClientProtocol.createFactory({ url, token })
    this.room = new sdk.RoomClient({
      protocolFactory,
      secretRequestHandler: async (request) => this.note('secret_requested', { request })
    })
    this.documents = new Map()
    this.toolkits = new Map()
    this.calls = new Map()
    this.events = []
    this.waits = new Set()
  }

  async enter () {
    await this.room.start()
    const { room } = this
    for (const status of ['disconnected', 'reconnected']) {
      room.on(status, () => this.note(status))
    }
    for (const name of ['messaging_enabled', 'participant_added', 'participant_removed',
      'participant_attributes_updated']) {
      room.messaging.on(name, () => this.note(name))
    }
    room.storage.on('file.updated', ({ path, participantId }) =>
      this.note('file.updated', { path: { value: path }, participant_id: { value: participantId } }))
    room.storage.on('file.deleted', ({ path }) =>
      this.note('file.deleted', { path: { value: path } }))
    room.storage.on('file.moved', ({ sourcePath, destinationPath }) => this.note('file.moved', {
      source_path: { value: sourcePath }, destination_path: { value: destinationPath }
    }))
    room.waitForClose().then(() => this.note('closed'))
    room.messaging.on('message', ({ message }) => this.note('message', {
      message: {
        from: message.fromParticipantId,
        kind: message.type,
        message: message.message,
        attachment: base64(message.attachment)
      }
    }))
    const me = room.localParticipant
    return {
      id: me.id,
      attributes: me._attributes,
      room: room.roomName,
      url: room.roomUrl,
      session: room.sessionId
    }
  }

  note (event, details = {}) {
    this.events.push({ event, ...details })
    this.changed()
  }

  changed () {
    for (const wait of this.waits) wait()
  }

  participants () {
    return this.room.messaging.remoteParticipants.map((each) =>
      ({ id: each.id, role: each.role, attributes: each._attributes }))
  }

  named (name) {
    return this.room.messaging.getParticipantByName(name) ?? this.room.localParticipant
  }

  content (path) {
    return toJson(this.documents.get(path).root)
  }

  seen () {
    const documents = [...this.documents.keys()].map((path) => [path, this.content(path)])
    return { documents: Object.fromEntries(documents), participants: this.participants() }
  }

  until (condition, details, seconds) {
    const isSo = () => conditions[condition](this, details)
    if (isSo()) return null
    return new Promise((resolve, reject) => {
      const settle = (act) => {
        this.waits.delete(wait)
        clearTimeout(timer)
        act()
      }
      const wait = () => {
        if (isSo()) settle(() => resolve(null))
      }
      const late = () => {
        const seen = JSON.stringify({ events: this.events, ...this.seen() })
        reject(new Error(`never: ${condition} ${JSON.stringify(details)}; ${seen}`))
      }
      const timer = setTimeout(() => settle(late), seconds * 1000)
      this.waits.add(wait)
    })
  }

  edit (path, kind, at, details) {
    let element = this.documents.get(path).root
    for (const index of at) element = element.getChildren()[index]
    edits[kind](element, details)
  }
}

const edits = {
  append: (element, { content }) => element.appendJson(content),
  set: (element, { name, value }) => element.setAttribute(name, value),
  insert: (element, { index, text, attributes }) => element.insert(index, text, attributes),
  delete: (element) => element.delete()
}

const clients = new Map()
const of = (client) => clients.get(client)
const schemaOf = (json) => (json === null ? undefined : sdk.MeshSchema.fromJson(json))

const requests = {
  connect: async ({ client, url, token }) => {
    const connected = new Client(url, token)
    const me = await connected.enter()
    clients.set(client, connected)
    return me
  },
  mint: ({ name, room, api_key: apiKey }) => {
    const token = new sdk.ParticipantToken({ name })
    token.addRoomGrant(room)
    token.addRoleGrant('agent')
    token.addApiGrant(sdk.ApiScope.agentDefault())
    return token.toJwt({ apiKey })
  },
  let_in: async ({ url, project, room, api_key: token }) => {
    const account = new sdk.Meshagent({ baseUrl: url, token })
    await account.createRoom({ projectId: project, name: room, metadata: { made: 'here' } })
    const { metadata } = await account.getRoom(project, room)
    const listed = await account.listRooms(project)
    const { jwt, roomUrl } = await account.connectRoom(project, room)
    return { metadata, rooms: listed.map(({ name }) => name), url: roomUrl, token: jwt }
  },
  remove: async ({ url, project, room, api_key: token }) => {
    const account = new sdk.Meshagent({ baseUrl: url, token })
    const { id } = await account.getRoom(project, room)
    await account.deleteRoom(project, id)
  },
  close: ({ client }) => {
    of(client).room.dispose()
    clients.delete(client)
  },
  events: ({ client }) => of(client).events,
  until: ({ client, condition, details, seconds }) =>
    of(client).until(condition, details, seconds),

  enable: ({ client }) => of(client).room.messaging.enable(),
  disable: ({ client }) => of(client).room.messaging.disable(),
  participants: ({ client }) => of(client).participants(),
  send: ({ client, to, kind, message, attachment }) =>
    of(client).room.messaging.sendMessage({
      to: of(client).named(to), type: kind, message, ...attached(attachment)
    }),
  broadcast: ({ client, kind, message, attachment }) =>
    of(client).room.messaging.broadcastMessage({ type: kind, message, ...attached(attachment) }),
  set: ({ client, name, value }) => of(client).room.localParticipant.setAttribute(name, value),

  containers: async ({ client }) => {
    const containers = await of(client).room.containers.list()
    return Object.fromEntries(containers.map(({ id, ports }) => [id, ports]))
  },
  build: async ({ client, tag, data }) => {
    const { containers } = of(client).room
    const chunks = (async function * () { yield bytes(data) })()
    const place = { mountPath: '/context', contextPath: '/context' }
    const buildId = await containers.build({ tag, chunks, ...place })
    const { stream, result } = containers.getBuildLogs({ buildId })
    let log = ''
    for await (const line of stream) log += line
    const known = (await containers.listBuilds()).find(({ id }) => id === buildId)
    return { log, code: await result, status: known.status }
  },
  queues: async ({ client, verb, arguments: { name, message, ...options } }) => {
    const told = [name, message].filter((each) => each !== undefined)
    const result = await of(client).room.queues[verb](...told, options)
    return verb === 'list' ? Object.fromEntries(result.map(({ name, size }) => [name, size])) : result
  },
  storage: async ({ client, verb, arguments: { path, data, ...options } }) => {
    const { storage } = of(client).room
    if (verb === 'upload') return storage.upload(path, bytes(data), options)
    if (verb === 'move') return storage.move(options.source_path, options.destination_path, options)
    if (verb === 'download_url') return storage.downloadUrl(path)
    const result = await storage[verb](path, options)
    if (verb === 'list') return result.map(({ name }) => name).sort()
    if (verb === 'stat') return result && { name: result.name, size: result.size }
    return verb === 'download' ? pack(result) : result
  },

  toolkits: async ({ client, of: participantId }) => {
    const found = await of(client).room.agents.listToolkits({
      participantId: participantId ?? undefined
    })
    return found.map((toolkit) => ({
      name: toolkit.name,
      participant: toolkit.participantId,
      tools: toolkit.tools.map((tool) => tool.name).sort()
    }))
  },
  host: async ({ client, name, public: isPublic }) => {
    const { room, toolkits } = of(client)
    const toolkit = new sdk.Toolkit({ name, tools: [new Ask(of(client))] })
    toolkits.set(name, await sdk.startHostedToolkit({ room, toolkit, public_: isPublic }))
  },
  unhost: ({ client, name }) => of(client).toolkits.get(name).stop(),
  invoke: async ({ client, toolkit, tool, content, of: participantId }) =>
    pack(await of(client).room.invoke({
      toolkit, tool, input: unpack(content), participantId: participantId ?? undefined
    })),
  call: async ({ client, call, toolkit, tool, content }) => {
    const made = new Call()
    of(client).calls.set(call, made)
    if (content !== null) made.put(unpack(content))
    const output = await of(client).room.invokeStream({ toolkit, tool, input: made.contents() })
    made.output = output[Symbol.asyncIterator]()
    return null
  },
  put: ({ client, call, content }) =>
    of(client).calls.get(call).put(content === null ? null : unpack(content)),
  get: async ({ client, call }) => {
    const { done, value } = await of(client).calls.get(call).output.next()
    if (value instanceof sdk.ErrorContent) throw new sdk.RoomServerException(value.text, value.code)
    return done || value instanceof sdk.ControlContent ? null : pack(value)
  },

  create: ({ client, path, content }) =>
    of(client).room.sync.create(path, content ?? undefined),
  open: async ({ client, path, schema, create, content }) => {
    const opened = of(client)
    const document = await opened.room.sync.open(path, {
      create, initialJson: content ?? undefined, schema: schemaOf(schema)
    })
    opened.documents.set(path, document)
    document.on('updated', () => opened.changed())
    return { content: opened.content(path), schema: document.schema.toJson() }
  },
  shut: ({ client, path }) => {
    of(client).documents.delete(path)
    return of(client).room.sync.close(path)
  },
  content: ({ client, path }) => of(client).content(path),
  edit: ({ client, path, kind, at, details }) => of(client).edit(path, kind, at, details),
  // What a document holds after each of these updates, without a server.
  mirror: ({ schema, updates }) => {
    const id = randomUUID()
    const ignore = () => {}
    const document = new sdk.RuntimeDocument({
      id, schema: schemaOf(schema), sendChanges: ignore, sendChangesToBackend: ignore
    })
    sdk.registerDocument(id, undefined, false, ignore, (message) =>
      document.receiveChanges(JSON.parse(message).data))
    const contents = updates.map((update) => {
      sdk.applyBackendChanges(id, update)
      return structuredClone(toJson(document.root))
    })
    sdk.unregisterDocument(id)
    return contents
  }
}

const attached = (attachment) => (attachment ? { attachment: bytes(attachment) } : {})

const complaint = (error) => ({
  kind: error.constructor.name,
  message: String(error.message ?? error),
  code: error.code ?? null
})

const answer = async (line) => {
  const { id, request, ...details } = JSON.parse(line)
  let reply
  try {
    reply = { id, result: (await requests[request](details)) ?? null }
  } catch (error) {
    reply = { id, error: complaint(error) }
  }
  process.stdout.write(JSON.stringify(reply) + '\n')
}

createInterface({ input: process.stdin }).on('line', answer).on('close', () => process.exit(0))
