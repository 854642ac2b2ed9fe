// One face over Yjs 13 and @y/y 14, so that a test says "insert" and does not care which.

import * as Y13 from 'yjs'
import * as Y14 from '@y/y'

const bold = (attributes) => attributes ?? {}

export const yjs13 = (Y) => ({
  create: () => new Y.Doc(),
  state: (doc) => Y.encodeStateAsUpdate(doc),
  vector: (doc) => Y.encodeStateVector(doc),
  apply: (doc, update) => Y.applyUpdate(doc, update),
  edits: {
    insert: (doc, { name, at, text, attributes }) =>
      doc.getText(name).insert(at, text, attributes ?? undefined),
    delete: (doc, { name, at, length }) => doc.getText(name).delete(at, length),
    format: (doc, { name, at, length, attributes }) =>
      doc.getText(name).format(at, length, bold(attributes)),
    set: (doc, { name, key, value }) => doc.getMap(name).set(key, value),
    unset: (doc, { name, key }) => doc.getMap(name).delete(key),
    push: (doc, { name, values }) => doc.getArray(name).push(values),
    element: (doc, { name, tag, text }) => {
      const element = new Y.XmlElement(tag)
      element.insert(0, [new Y.XmlText(text)])
      const fragment = doc.getXmlFragment(name)
      fragment.insert(fragment.length, [element])
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
