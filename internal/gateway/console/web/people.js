// The people of a collection: lists, one person, changes, erasure.

import { h, icon, put, badge, button, field, empty, when, toast, confirmed, formDialog, count } from './dom.js';
import { act, call, may, picture, imagePath, requestOf, Problem } from './api.js';
import { collectionField, firstCollection, choose } from './collections.js';
import { initials, portrait } from './picture.js';
import { personLink, shortID } from './result.js';

const PAGE = 24;

/** What a person is called on this page. */
export const called = (p) => p.name || p.external_id || `Person ${shortID(p.puid)}`;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What was typed as a filter: a puid, key=value of the metadata, else a whole external id. */
function filterOf(text, group) {
  const filter = {};
  if (group) filter.groups = [group];
  if (text) {
    const [, key, value] = /^([^=]+)=(.*)$/.exec(text) || [];
    if (uuid.test(text)) filter.puids = [text.toLowerCase()];
    else if (key) {
      let parsed = value;
      try { parsed = JSON.parse(value); } catch { /* a text without quotes */ }
      filter.metadata = { [key.trim()]: typeof parsed === 'object' ? value : parsed };
    } else filter.external_ids = [text];
  }
  return Object.keys(filter).length > 0 ? filter : undefined;
}

/** Asks for a list. A collection that does not exist has nobody. */
async function list(collection, more) {
  try {
    return (await act('user_list', { collection, ...more })).user_list;
  } catch (err) {
    if (err instanceof Problem && err.reason === 'unknown_collection') return { persons: [] };
    throw err;
  }
}

export function peopleView(given, query) {
  if (given) choose(given);
  const collection = collectionField('people-collection', given || firstCollection());
  const search = h('input', { id: 'people-search', type: 'search', value: query.get('q') || '', autocomplete: 'off', spellcheck: 'false', placeholder: 'external id, puid, or key=value' });
  const group = h('input', { id: 'people-group', value: query.get('group') || '', autocomplete: 'off', spellcheck: 'false', placeholder: 'any' });
  const people = h('ul', { class: 'people' });
  const more = h('div', { class: 'actions centre' });
  const said = h('p', { class: 'muted', 'aria-live': 'polite' });
  let shown = 0, turn = 0;

  const form = h('form', { class: 'inline', role: 'search', onsubmit: (e) => { e.preventDefault(); go(); } },
    field('Collection', collection), field('Search', search), may('group_list') && field('Group', group),
    h('button', { class: 'button primary' }, icon('search', 18), ' Show'));

  function go() {
    const name = collection.value.trim();
    choose(name);
    const params = new URLSearchParams();
    if (search.value.trim()) params.set('q', search.value.trim());
    if (group.value.trim()) params.set('group', group.value.trim());
    history.replaceState(null, '', `#/people/${encodeURIComponent(name)}${params.size > 0 ? `?${params}` : ''}`);
    load(null);
  }

  async function load(after) {
    const mine = ++turn;
    const name = collection.value.trim();
    if (!after) { shown = 0; put(said, 'Asking…'); put(people); }
    put(more);
    if (!name) { put(said, 'Choose a collection.'); return; }
    try {
      const page = await list(name, { filter: filterOf(search.value.trim(), group.value.trim()), page: { limit: PAGE, after: after || undefined } });
      if (mine !== turn) return;
      for (const p of page.persons) people.append(row(name, p));
      shown += page.persons.length;
      put(said, shown > 0 ? `${count(shown, 'person', 'people')}${page.next ? ' shown, there are more' : ''}` : '');
      if (shown === 0) put(people, h('li', { class: 'whole' }, empty(search.value || group.value ? 'Nobody is like that' : 'Nobody is here', may('enroll', name) && h('a', { href: '#/try' }, 'Enrol somebody'))));
      if (page.next) put(more, button('Show more', () => load(page.next)));
    } catch (err) {
      if (mine === turn) put(said, h('span', { class: 'problem', role: 'alert' }, err.message));
    }
  }
  if (collection.value) load(null);

  const tools = may('person_create') && button('New person', () => create(collection.value.trim()));
  return { node: h('div', {}, form, said, people, more), tools };
}

function row(collection, p) {
  return h('li', {}, h('a', { class: 'person', href: personLink(collection, p.puid) }, initials(called(p)),
    h('span', { class: 'who' }, h('b', {}, called(p)), h('span', { class: 'muted' }, [p.name && p.external_id, count(p.images, 'image')].filter(Boolean).join(' · '))),
    h('span', { class: 'chips' }, (p.groups || []).slice(0, 3).map((g) => badge(g)))));
}

function create(collection) {
  const external = h('input', { maxlength: 256, autocomplete: 'off' });
  const name = h('input', { maxlength: 256, autocomplete: 'off' });
  formDialog('New person', [field('Name', name), field('External id', external, 'Your own name for the person, by which pictures can be enrolled later.')], 'Create', async () => {
    const result = await act('person_create', { collection, external_id: external.value.trim() || undefined, person: name.value.trim() ? { name: name.value.trim() } : undefined });
    location.hash = personLink(collection, result.user_change.puid);
  });
}

export function personView(collection, puid) {
  choose(collection);
  const node = h('div', {}, h('p', { class: 'muted' }, 'Asking…'));
  const back = h('p', { class: 'back' }, h('a', { href: `#/people/${encodeURIComponent(collection)}` }, icon('back', 18), `People of ${collection}`));

  async function load() {
    try {
      const page = await list(collection, { puid, page: { limit: 60 } });
      const person = page.persons[0];
      if (!person) throw new Problem(404, { detail: 'There is nobody with this id.' });
      draw(person, page);
    } catch (err) {
      put(node, back, h('div', { class: 'problem', role: 'alert' }, err.message));
    }
  }

  function draw(p, page) {
    const images = page.images || [];
    put(node, back,
      h('section', { class: 'card person-head' }, face(images[0], called(p)),
        h('div', { class: 'person-names' }, h('h2', {}, called(p)),
          h('div', { class: 'chips' }, badge(collection), (p.groups || []).map((g) => h('a', { class: 'badge', href: `#/people/${encodeURIComponent(collection)}?group=${encodeURIComponent(g)}` }, g)), badge(count(p.images, 'image')), p.consent?.given && badge('consent given', 'ok'))),
        h('div', { class: 'actions' }, may('user_update', collection) && button('Edit', () => edit(p)), may('user_delete', collection) && button('Erase', () => erase(p), { class: 'button danger-outline' }))),
      h('div', { class: 'two' },
        h('section', { class: 'card' }, h('h2', {}, 'Details'), h('dl', { class: 'facts' },
          [['External id', p.external_id], ['Person id', h('code', { class: 'long' }, p.puid)], ['Enrolled', when(p.created_at)], ['Changed', when(p.updated_at)],
            ['Erased', p.expires_at && when(p.expires_at)], ['Consent', p.consent && [p.consent.given ? 'given' : 'not given', p.consent.reference && `, ${p.consent.reference}`]],
            ...Object.entries(p.metadata || {}).map(([k, v]) => [k, typeof v === 'string' ? v : JSON.stringify(v)])]
            .filter(([, v]) => v).map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)]))),
        h('section', { class: 'card' }, h('h2', {}, 'Pictures'), images.length === 0 ? empty('No picture is enrolled') : h('ul', { class: 'enrolled' }, images.map((x, i) => h('li', {}, face(x, `Enrolled picture ${i + 1}`), when(x.created_at)))),
          page.next && h('p', { class: 'muted' }, 'There are more.'))));
  }

  /** An enrolled picture, which leads to the result of its enrolment. */
  function face(image, alt) {
    const id = requestOf(image?.object);
    const link = h('a', { class: 'plain-link' });
    link.append(portrait(id.then((x) => x && picture(imagePath(x, 0))), id.then((x) => x && call('GET', `/v1/requests/${encodeURIComponent(x)}`)), alt));
    id.then((x) => { if (x) link.href = `#/result/${encodeURIComponent(x)}`; });
    return link;
  }

  function edit(p) {
    const name = h('input', { maxlength: 256, value: p.name || '', autocomplete: 'off' });
    const groups = h('input', { value: (p.groups || []).join(', '), autocomplete: 'off', spellcheck: 'false' });
    const metadata = h('textarea', { rows: 5, spellcheck: 'false', value: p.metadata ? JSON.stringify(p.metadata, null, 2) : '' });
    const ttl = h('input', { type: 'number', min: 0, max: 36500, step: 1, placeholder: 'as it is' });
    formDialog(`Edit ${called(p)}`, [
      field('Name', name), field('Groups', groups, 'Their ids, with commas between them. They must exist.'),
      field('Metadata', metadata, 'A JSON object.'), field('Erase after days', ttl, '0: never. Counted from now.'),
    ], 'Save', async () => {
      const change = { name: name.value.trim(), groups: groups.value.split(',').map((g) => g.trim()).filter(Boolean) };
      try { change.metadata = metadata.value.trim() ? JSON.parse(metadata.value) : {}; } catch { throw new Error('The metadata is not JSON.'); }
      if (ttl.value !== '') change.ttl_seconds = Math.round(Number(ttl.value) * 86400);
      await act('user_update', { collection, puid, person: change });
      toast('Saved');
      await load();
    });
  }

  async function erase(p) {
    if (!await confirmed(`Erase ${called(p)}?`, `The person, ${count(p.images, 'enrolled face')} and the pictures that were made of them are erased, and nobody can bring them back. Pictures that were uploaded remain where they are.`, 'Erase')) return;
    try {
      await act('user_delete', { collection, puid });
      toast(`${called(p)} was erased`);
      location.hash = `#/people/${encodeURIComponent(collection)}`;
    } catch (err) {
      toast(err.message, 'bad');
    }
  }

  load();
  return { node, title: 'Person' };
}
