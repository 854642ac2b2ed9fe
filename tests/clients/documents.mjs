// One face over Yjs 13 and @y/y 14, so that a test says "insert" and does not care which.

import * as Y13 from 'yjs'
import * as Y14 from '@y/y'

const bold = (attributes) => attributes ?? {}

export const yjs13 = (Y) => ({
  create: () => new Y.Doc(),
  state: (doc) => Y.encodeStateAsUpdate(doc),
  vector: (doc) => Y.encodeStateVector(doc),
  apply: (doc, update) => Y.applyUpdate(doc, update),
  length: (doc, name) => doc.getText(name).length,
  edits: {
    insert: (doc, { name, at, text, attributes }) =>
      doc.getText(name).insert(at, text, attributes ?? undefined),
    delete: (doc, { name, at, length }) => doc.getText(name).delete(at, length),
    format: (doc, { name, at, length, attributes }) =>
      doc.getText(name).format(at, length, bold(attributes)),
    set: (doc, { name, key, value }) => doc.getMap(name).set(key, value),
    unset: (doc, { name, key }) => doc.getMap(name).delete(key),
    push: (doc, { name, values }) => doc.getArray(name).push(values),
    element: (doc, { name, tag, text, attributes }) => {
      const element = new Y.XmlElement(tag)
      if (text !== null) element.insert(0, [new Y.XmlText(text)])
      for (const key in attributes ?? {}) element.setAttribute(key, attributes[key])
      const fragment = doc.getXmlFragment(name)
      fragment.insert(fragment.length, [element])
    },
    write: (doc, { name, path, text }) => {
      const node = path.reduce((parent, index) => parent.get(index), doc.getXmlFragment(name))
      node.insert(node.length, text)
    },
    subdocument: (doc, { name, key }) => {
      doc.getMap(name).set(key, new Y.Doc())
    }
  }
})

export const yjs14 = {
  create: () => new Y14.Doc(),
  state: (doc) => Y14.encodeStateAsUpdate(doc),
  vector: (doc) => Y14.encodeStateVector(doc),
  apply: (doc, update) => Y14.applyUpdate(doc, update),
  length: (doc, name) => doc.get(name).length,
  edits: {
    insert: (doc, { name, at, text, attributes }) =>
      doc.get(name).insert(at, text, attributes ?? undefined),
    delete: (doc, { name, at, length }) => doc.get(name).delete(at, length),
    format: (doc, { name, at, length, attributes }) =>
      doc.get(name).format(at, length, bold(attributes)),
    set: (doc, { name, key, value }) => doc.get(name).setAttr(key, value),
    unset: (doc, { name, key }) => doc.get(name).deleteAttr(key),
    push: (doc, { name, values }) => {
      const list = doc.get(name)
      list.insert(list.length, values)
    }
  }
}

// Content is always read by Yjs 13: one reader, so equal content compares equal.
export const read = (engine, doc) => {
  if (engine !== yjs14) return doc
  const mirror = new Y13.Doc()
  Y13.applyUpdate(mirror, Y14.encodeStateAsUpdate(doc))
  return mirror
}

export const content = (doc, { texts = [], maps = [], arrays = [], fragments = [] }) => ({
  texts: Object.fromEntries(texts.map((name) => [name, doc.getText(name).toString()])),
  deltas: Object.fromEntries(texts.map((name) => [name, doc.getText(name).toDelta()])),
  maps: Object.fromEntries(maps.map((name) => [name, doc.getMap(name).toJSON()])),
  arrays: Object.fromEntries(arrays.map((name) => [name, doc.getArray(name).toJSON()])),
  fragments: Object.fromEntries(
    fragments.map((name) => [name, doc.getXmlFragment(name).toString()])
  ),
  vector: Object.fromEntries(
    [...Y13.decodeStateVector(Y13.encodeStateVector(doc))].map(([id, clock]) => [String(id), clock])
  ),
  pending: doc.store.pendingStructs !== null || doc.store.pendingDs !== null
})

export const load = (updates, names) => {
  const doc = new Y13.Doc()
  for (const update of updates) Y13.applyUpdate(doc, update)
  return content(doc, names)
}

const readers = {
  text: (doc, name) => doc.getText(name),
  map: (doc, name) => doc.getMap(name),
  array: (doc, name) => doc.getArray(name),
  xml: (doc, name) => doc.getXmlFragment(name)
}

const isNode = (value) => value instanceof Y13.XmlElement || value instanceof Y13.XmlText

// Nothing but nodes belongs into XML, and readers differ about what else stands there.
const nodes = (parent) => {
  const children = parent.toArray()
  return children.every(isNode) ? children.map(simple) : { mixed: true }
}

// A text as the value of a key, which nobody writes, is all of it.
const entry = (map, name) => {
  const { content } = map._map.get(name)
  return content instanceof Y13.ContentString ? content.str : map.get(name)
}

// Values that JSON knows; what stands in a text and is none is U+FFFC.
const simple = (value) => {
  if (value instanceof Y13.XmlElement) return { tag: value.nodeName, children: nodes(value) }
  if (value instanceof Y13.Text) {
    return value.toDelta().map(({ insert }) => typeof insert === 'string' ? insert : '\ufffc').join('')
  }
  if (value instanceof Y13.XmlFragment) return nodes(value)
  if (value instanceof Y13.Array) return value.toArray().map(simple)
  if (value instanceof Y13.Map) {
    return Object.fromEntries([...value.keys()].map((name) => [name, simple(entry(value, name))]))
  }
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') }
  if (value instanceof Y13.Doc) return { document: value.guid }
  if (Array.isArray(value)) return value.map(simple)
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return null
  if (value === undefined) return null
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, simple(each)]))
  }
  return value
}

export const plain = (update, kinds) => {
  const doc = new Y13.Doc()
  Y13.applyUpdate(doc, update)
  const roots = Object.entries(kinds).map(([name, kind]) => [name, readers[kind](doc, name)])
  const { vector, pending } = content(doc, {})
  return { content: Object.fromEntries(roots.map(([name, root]) => [name, simple(root)])), vector, pending }
}
