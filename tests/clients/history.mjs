// Seeded histories: three Yjs replicas that edit everything Yjs knows, in the middle of characters
// too, delete much of it, and meet at times.

import * as Y from 'yjs'
import { content } from './documents.mjs'

const WORDS = ['a', 'word', 'é', '\u{1F600}', 'a\u{1F469}\u200D\u{1F4BB}b', '中文', '\n', 'x'.repeat(20)]
const VALUES = [null, [undefined], true, 0, -64, 2 ** 31, 0.5, '', 'text', '\u{1F600}', [1, [2]], { a: { b: [1] } }]
const FORMATS = [{ bold: true }, { bold: null }, { link: { href: 'x' } }]
const NAMES = { texts: ['text', 'rich'], maps: ['map'], arrays: ['array'], fragments: ['xml'] }

const generator = (seed) => (below) => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}

const edits = (random) => {
  const pick = (list) => list[random(list.length)]
  const place = (type) => random(type.length + 1)
  const take = (type) => {
    const at = random(type.length)
    type.delete(at, Math.min(type.length - at, 1 + random(4)))
  }
  const nested = () => {
    const made = pick([() => new Y.Text('in'), () => new Y.Map([['k', 1]]), () => Y.Array.from([1])])()
    return made
  }
  // some shared type inside the array or the map, and at times one inside of that
  const inner = (doc) => {
    let types = [...doc.getArray('array').toArray(), ...doc.getMap('map').values()]
    types = types.filter((each) => each instanceof Y.AbstractType)
    return types.length ? pick(types) : null
  }
  return [
    (doc) => doc.getText('text').insert(place(doc.getText('text')), pick(WORDS)),
    (doc) => doc.getText('text').insert(doc.getText('text').length, pick(WORDS)),
    (doc) => take(doc.getText('text')),
    (doc) => doc.getText('text').delete(0, doc.getText('text').length),
    (doc) => doc.getText('rich').insert(place(doc.getText('rich')), pick(WORDS), pick(FORMATS)),
    (doc) => doc.getText('rich').insertEmbed(place(doc.getText('rich')), pick([{ image: 'x' }, { e: '\u{1F600}' }])),
    (doc) => doc.getText('rich').format(0, doc.getText('rich').length, pick(FORMATS)),
    (doc) => take(doc.getText('rich')),
    (doc) => doc.getMap('map').set(pick(['a', 'b', 'ключ']), pick(VALUES)),
    (doc) => doc.getMap('map').set(pick(['a', 'b']), nested()),
    (doc) => doc.getMap('map').set('sub', new Y.Doc({ guid: `guid-${random(1000)}`, meta: { n: 1 } })),
    (doc) => doc.getMap('map').delete(pick(['a', 'b'])),
    (doc) => doc.getArray('array').insert(place(doc.getArray('array')), [pick(VALUES), pick(VALUES)]),
    (doc) => doc.getArray('array').push([nested()]),
    (doc) => take(doc.getArray('array')),
    (doc) => doc.getArray('array').delete(0, doc.getArray('array').length),
    (doc) => {
      const type = inner(doc)
      if (type instanceof Y.Text) random(2) ? type.insert(place(type), pick(WORDS)) : take(type)
      if (type instanceof Y.Map) type.set(pick(['k', 'deep']), random(2) ? nested() : pick(VALUES))
      if (type instanceof Y.Array) type.insert(place(type), [random(2) ? nested() : pick(VALUES)])
    },
    (doc) => {
      const fragment = doc.getXmlFragment('xml')
      const element = new Y.XmlElement(pick(['p', 'h1']))
      element.setAttribute('id', pick(WORDS))
      element.insert(0, [new Y.XmlText(pick(WORDS)), new Y.XmlElement('br')])
      fragment.insert(place(fragment), [element])
    },
    (doc) => {
      const element = doc.getXmlFragment('xml').get(0)
      if (element) random(2) ? element.setAttribute('id', pick(WORDS)) : element.get(0)?.insert(0, 'more')
    },
    (doc) => take(doc.getXmlFragment('xml'))
  ]
}

// Every update that was made, in the order in which it was made: each builds on earlier ones alone.
export const history = (seed, steps) => {
  const random = generator(seed)
  const choices = edits(random)
  const updates = []
  const docs = [1, 2 ** 31 + 5, 2 ** 53 - 1].map((id) => {
    const doc = new Y.Doc()
    doc.clientID = id
    doc.on('update', (update, origin) => origin === 'remote' || updates.push(update))
    return doc
  })
  for (let step = 0; step < steps; step++) {
    const doc = docs[random(3)]
    if (random(5) > 0) doc.transact(() => choices[random(choices.length)](doc))
    else Y.applyUpdate(doc, Y.encodeStateAsUpdate(docs[random(3)], Y.encodeStateVector(doc)), 'remote')
  }
  return updates
}

const loaded = (updates) => {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

// All that Yjs shows of a document, with the ids of its subdocuments.
export const whole = (updates) => {
  const doc = loaded(updates)
  const seen = content(doc, NAMES)
  return { ...seen, subdocuments: [...doc.getSubdocs()].map((each) => each.guid).sort() }
}

// What Yjs itself writes of a document.
export const recode = (updates) => Y.encodeStateAsUpdate(loaded(updates))
