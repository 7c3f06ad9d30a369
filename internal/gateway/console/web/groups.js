// The groups of a collection.

import { h, put, button, field, empty, when, toast, confirmed, formDialog } from './dom.js';
import { act, may, Problem } from './api.js';
import { collectionField, firstCollection, choose } from './collections.js';

export function groupsView(given) {
  if (given) choose(given);
  const collection = collectionField('groups-collection', given || firstCollection());
  const list = h('ul', { class: 'grid' });
  const more = h('div', { class: 'actions centre' });
  const name = () => collection.value.trim();
  let turn = 0;

  async function load(after) {
    const mine = ++turn;
    if (!after) put(list);
    put(more);
    if (!name()) return;
    try {
      const page = (await act('group_list', { collection: name(), page: { limit: 48, after: after || undefined } })).group_list;
      if (mine !== turn) return;
      if (!after) put(list);
      for (const g of page.groups) list.append(card(g));
      if (list.children.length === 0) put(list, h('li', { class: 'whole' }, empty('There are no groups', 'A group gathers people, so that a search can be limited to them.')));
      if (page.next) put(more, button('Show more', () => load(page.next)));
    } catch (err) {
      if (mine !== turn) return;
      put(list, h('li', { class: 'whole' }, err instanceof Problem && err.reason === 'unknown_collection' ? empty('Nobody is here') : h('div', { class: 'problem', role: 'alert' }, err.message)));
    }
  }

  function card(g) {
    const title = g.name || g.id;
    return h('li', { class: 'card group' }, h('h2', {}, h('a', { href: `#/people/${encodeURIComponent(name())}?group=${encodeURIComponent(g.id)}` }, title)),
      h('dl', { class: 'facts' }, [['Id', h('code', { class: 'long' }, g.id)], ['Made', when(g.created_at)], ...Object.entries(g.metadata || {}).map(([k, v]) => [k, typeof v === 'string' ? v : JSON.stringify(v)])].map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)])),
      h('div', { class: 'actions' }, may('group_update', name()) && button('Edit', () => edit(g), { 'aria-label': `Edit ${title}` }), may('group_delete', name()) && button('Delete', () => remove(g), { class: 'button danger-outline', 'aria-label': `Delete ${title}` })));
  }

  function edit(g) {
    const id = h('input', { maxlength: 64, value: g?.id || '', disabled: Boolean(g), autocomplete: 'off', spellcheck: 'false' });
    const label = h('input', { maxlength: 256, value: g?.name || '', autocomplete: 'off' });
    const metadata = h('textarea', { rows: 4, spellcheck: 'false', value: g?.metadata ? JSON.stringify(g.metadata, null, 2) : '' });
    formDialog(g ? `Edit ${g.name || g.id}` : 'New group', [field('Id', id, g ? 'It stays as it is.' : 'Letters, digits and _ . - ; empty: one is made.'), field('Name', label), field('Metadata', metadata, 'A JSON object.')], g ? 'Save' : 'Create', async () => {
      const group = { id: id.value.trim() || undefined, name: label.value.trim() };
      try { if (metadata.value.trim() || g) group.metadata = metadata.value.trim() ? JSON.parse(metadata.value) : {}; } catch { throw new Error('The metadata is not JSON.'); }
      await act(g ? 'group_update' : 'group_create', { collection: name(), group });
      toast(g ? 'Saved' : 'Created');
      await load();
    });
  }

  async function remove(g) {
    if (!await confirmed(`Delete ${g.name || g.id}?`, 'Its people stay; they are in this group no more.', 'Delete')) return;
    try {
      await act('group_delete', { collection: name(), group: { id: g.id } });
      toast('Deleted');
      await load();
    } catch (err) {
      toast(err.message, 'bad');
    }
  }

  const form = h('form', { class: 'inline', onsubmit: (e) => { e.preventDefault(); choose(name()); load(); } }, field('Collection', collection), h('button', { class: 'button primary' }, 'Show'));
  load();
  return { node: h('div', {}, form, list, more), tools: may('group_create') && button('New group', () => edit(null)) };
}
