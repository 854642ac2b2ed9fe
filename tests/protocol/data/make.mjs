// Makes yjs.json: what Yjs writes while three replicas edit everything it knows and meet at times.
//
//   node tests/protocol/data/make.mjs > tests/protocol/data/yjs.json

import { createRequire } from 'node:module'

const require = createRequire(new URL('../../clients/package.json', import.meta.url))
const Y = require('yjs')

let seed = 20240607
const random = (below) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}
const pick = (list) => list[random(list.length)]

const WORDS = ['a', 'word', 'é', '\u{1F600}', 'a\u{1F469}‍\u{1F4BB}b', '中文', '\n', 'x'.repeat(200)]
const VALUES = [
  null, [undefined], true, false, 0, -1, 63, 64, -64, 127, 128, 2 ** 31, -(2 ** 31), 2 ** 53 - 1,
  0.5, 0.1, 1e300, Infinity, [2n ** 62n, -5n], '', 'text', '\u{1F600}',
  [], [1, [2, [3]]], {}, { a: { b: [1, { c: null }] } }, new Uint8Array([0, 1, 255])
]
const FORMATS = [{ bold: true }, { bold: null }, { link: { href: 'x', n: [1, 2] } }, { size: 12.5 }]
const EMBEDS = [{ image: 'x' }, { n: [1, 2, { deep: true }] }, { e: '\u{1F600}"\\' }]

const place = (type) => random(type.length + 1)
const take = (type) => {
  if (type.length === 0) return
  const at = random(type.length)
  type.delete(at, Math.min(type.length - at, 1 + random(4)))
}
const nested = () => pick([() => new Y.Text('in'), () => new Y.Map([['k', 1]]), () => Y.Array.from([1])])()

const EDITS = [
  (doc) => doc.getText('text').insert(place(doc.getText('text')), pick(WORDS)),
  (doc) => doc.getText('text').insert(doc.getText('text').length, pick(WORDS)),
  (doc) => take(doc.getText('text')),
  (doc) => doc.getText('rich').insert(place(doc.getText('rich')), pick(WORDS), pick(FORMATS)),
  (doc) => doc.getText('rich').insertEmbed(place(doc.getText('rich')), pick(EMBEDS)),
  (doc) => doc.getText('rich').format(0, doc.getText('rich').length, pick(FORMATS)),
  (doc) => take(doc.getText('rich')),
  (doc) => doc.getMap('map').set(pick(['a', 'b', 'ключ']), pick(VALUES)),
  (doc) => doc.getMap('map').set(pick(['a', 'b']), nested()),
  (doc) => doc.getMap('map').set('sub', new Y.Doc({ autoLoad: random(2) === 0, meta: { n: 1 } })),
  (doc) => doc.getMap('map').delete(pick(['a', 'b'])),
  (doc) => doc.getArray('array').insert(place(doc.getArray('array')), [pick(VALUES), pick(VALUES)]),
  (doc) => doc.getArray('array').push([nested()]),
  (doc) => take(doc.getArray('array')),
  (doc) => {
    const inner = doc.getArray('array').toArray().find((each) => each instanceof Y.Text)
    if (inner) inner.insert(place(inner), pick(WORDS))
  },
  (doc) => {
    const fragment = doc.getXmlFragment('xml')
    const element = new Y.XmlElement(pick(['p', 'h1']))
    element.setAttribute('id', pick(WORDS))
    element.insert(0, [new Y.XmlText(pick(WORDS)), new Y.XmlElement('br')])
    fragment.insert(place(fragment), [element])
  },
  (doc) => take(doc.getXmlFragment('xml'))
]

const base64 = (bytes) => Buffer.from(bytes).toString('base64')
const vector = (doc) => Object.fromEntries(Y.decodeStateVector(Y.encodeStateVector(doc)))

const docs = [1, 2 ** 31 + 5, 2 ** 53 - 1].map((id) => {
  const doc = new Y.Doc()
  doc.clientID = id
  return doc
})
const updates = []
const states = []
const diffs = []
docs.forEach((doc) =>
  doc.on('update', (update, origin) => origin === 'remote' || updates.push(base64(update)))
)
for (let step = 0; step < 400; step++) {
  const doc = pick(docs)
  if (random(8) > 0) doc.transact(() => pick(EDITS)(doc))
  else {
    const other = pick(docs)
    const missing = Y.encodeStateAsUpdate(other, Y.encodeStateVector(doc))
    diffs.push(base64(missing))
    Y.applyUpdate(doc, missing, 'remote')
  }
  if (step % 50 === 49) states.push({ update: base64(Y.encodeStateAsUpdate(doc)), vector: vector(doc) })
}
for (const doc of docs) for (const other of docs) Y.applyUpdate(doc, Y.encodeStateAsUpdate(other), 'remote')
const final = {
  text: docs[0].getText('text').toString(),
  map: Object.keys(docs[0].getMap('map').toJSON()).sort(),
  vector: vector(docs[0])
}
console.log(JSON.stringify({ updates, diffs, states, final }))
