// Collections, and the model that each compares by.

import { h, badge, empty, field, button, put, count } from './dom.js';
import { call, may, operate, requestOf, session } from './api.js';
import { feed } from './feed.js';

/** The collections that somebody chose on this page, the last one last. */
const chosen = new Set();

/** The names that the page has come across: in the token, in results, and where somebody chose one. */
export function knownCollections() {
  const named = session.caller.collections.filter((c) => !c.includes('*'));
  const names = new Set([...named, ...feed.collections.keys(), ...chosen]);
  if (may('user_list', 'default')) names.add('default');
  return [...names].sort();
}

/** The collection that a view begins with. */
export function firstCollection() {
  return [...chosen].at(-1) || feed.collections.keys().next().value || knownCollections()[0] || '';
}

/** Remembers a collection that somebody chose. */
export function choose(collection) {
  chosen.delete(collection);
  if (collection) chosen.add(collection);
}

/** A field for the name of a collection, which proposes those that are known. */
export function collectionField(id, value) {
  let list = document.getElementById('collections-known');
  if (!list) {
    list = h('datalist', { id: 'collections-known' });
    document.body.append(list);
  }
  put(list, knownCollections().map((c) => h('option', { value: c })));
  const input = h('input', {
    id, value: value || firstCollection(), list: list.id, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', maxlength: 64,
    pattern: '[A-Za-z0-9][A-Za-z0-9_.\\-]{0,63}', title: 'Letters, digits and _ . -', onchange: () => choose(input.value.trim()),
  });
  return input;
}

/** The embedding model of a collection: of a result that was seen, else of an enrolment that is still remembered; "" if neither is there. */
async function modelOf(collection, persons) {
  const seen = feed.collections.get(collection)?.model;
  if (seen) return seen;
  const person = persons.find((p) => p.images > 0);
  if (!person) return '';
  const listed = await operate('user_list', { collection, puid: person.puid, page: { limit: 5 } });
  for (const image of listed.user_list?.images || []) {
    const id = await requestOf(image.object);
    const result = id && await call('GET', `/v1/requests/${encodeURIComponent(id)}`).catch(() => null);
    const run = (result?.models || []).find((m) => m.role === 'embedding' || m.role === 'voice');
    if (run) return run.id;
  }
  return '';
}

function card(name) {
  const body = h('div', { class: 'muted' }, 'Asking…');
  const node = h('li', { class: 'card collection' }, h('h2', {}, h('a', { href: `#/people/${encodeURIComponent(name)}` }, name)), body);
  operate('user_list', { collection: name, page: { limit: 100 } }).then(async (r) => {
    const list = r.user_list;
    if (!list || list.persons.length === 0) {
      put(body, badge('Nobody yet'), h('p', {}, 'The collection comes into being with the first person.'));
      return;
    }
    const images = list.persons.reduce((sum, p) => sum + p.images, 0);
    put(body, badge(list.next ? 'More than 100 people' : count(list.persons.length, 'person', 'people')), ' ', !list.next && badge(count(images, 'image')));
    const model = await modelOf(name, list.persons);
    body.append(h('dl', { class: 'facts' }, h('dt', {}, 'Model'), h('dd', {}, model ? h('code', { class: 'long' }, model) : 'shown once an enrolment or a search is seen')));
  }).catch((err) => put(body, err.message));
  return node;
}

export function collectionsView() {
  const other = collectionField('collection-other', '');
  other.value = '';
  const list = h('ul', { class: 'grid' });
  const draw = () => {
    const names = knownCollections();
    put(list, names.length > 0 ? names.map(card) : h('li', {}, empty('No collection is known here')));
  };
  const form = h('form', { class: 'inline', onsubmit: (e) => { e.preventDefault(); if (other.value.trim()) { choose(other.value.trim()); draw(); other.value = ''; } } },
    field('Another collection', other, 'Those that the token names and that results have named are below.'), button('Show', () => form.requestSubmit()));
  if (!may('user_list')) {
    return { node: h('div', {}, h('ul', { class: 'grid' }, knownCollections().map((name) => h('li', { class: 'card collection' }, h('h2', {}, name),
      h('p', { class: 'muted' }, feed.collections.get(name)?.model || 'The token does not allow to list people.'))))) };
  }
  draw();
  return { node: h('div', {}, form, list) };
}
