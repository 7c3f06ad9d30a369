// Dead letters: records that could be neither handled nor answered.

import { h, put, badge, button, empty, icon, when, toast, confirmed, words } from './dom.js';
import { call } from './api.js';

export const lettersView = (id) => (id ? oneLetter(id) : allLetters());

async function replay(letter) {
  if (!await confirmed('Write the record again?', `It goes to ${letter.topic} once more and is handled as if it had just come. This can be repeated.`, 'Replay')) return false;
  try {
    await call('POST', `/v1/dead-letters/${letter.id}/replay`);
    toast('The record was written again');
    return true;
  } catch (err) {
    toast(err.message, 'bad');
    return false;
  }
}

function allLetters() {
  const node = h('div', {}, h('p', { class: 'muted' }, 'Asking…'));
  async function load() {
    try {
      const { dead_letters: letters, more } = await call('GET', '/v1/dead-letters?limit=500');
      if (letters.length === 0) {
        put(node, empty('There are none', 'Every record was handled and answered.'));
        return;
      }
      put(node, h('p', { class: 'muted' }, more ? 'The 500 oldest, the newest of them first.' : `${letters.length} in all, newest first.`),
        h('div', { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': 'Dead letters' }, h('table', {},
          h('thead', {}, h('tr', {}, ['Failed', 'Reason', 'Topic', 'Service', 'Tries', 'Replayed', ''].map((t) => h('th', { scope: 'col' }, t)))),
          h('tbody', {}, letters.sort((a, b) => (a.failed_at < b.failed_at ? 1 : -1)).map((l) => h('tr', {},
            h('td', {}, h('a', { href: `#/letters/${l.id}` }, when(l.failed_at))), h('td', {}, badge(words(l.reason || 'unknown'), 'bad')), h('td', {}, h('code', {}, l.topic.replace(/^facestream\./, ''))),
            h('td', {}, l.service || ''), h('td', {}, l.attempts), h('td', {}, l.replayed || ''),
            h('td', {}, l.whole ? button('Replay', async () => { if (await replay(l)) load(); }, { class: 'button small', 'aria-label': `Replay ${l.id}` }) : badge('reference only'))))))));
    } catch (err) {
      put(node, h('div', { class: 'problem', role: 'alert' }, err.message));
    }
  }
  load();
  return { node, tools: button('Read again', load) };
}

function oneLetter(id) {
  const back = h('p', { class: 'back' }, h('a', { href: '#/letters' }, icon('back', 18), 'Dead letters'));
  const node = h('div', {}, back, h('p', { class: 'muted' }, 'Asking…'));
  async function load() {
    try {
      const l = await call('GET', `/v1/dead-letters/${encodeURIComponent(id)}`);
      let value = l.value || '';
      try { value = JSON.stringify(JSON.parse(value), null, 2); } catch { /* it is shown as it is */ }
      put(node, back, h('section', { class: 'card' },
        h('h2', {}, words(l.reason || 'unknown')), h('p', {}, l.error),
        h('dl', { class: 'facts' }, [['Failed', when(l.failed_at)], ['Topic', h('code', {}, l.topic)], ['Service', l.service], ['Tries', String(l.attempts)], ['Replayed', String(l.replayed)]].filter(([, v]) => v).map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)])),
        l.whole ? h('div', { class: 'actions' }, button('Replay', async () => { if (await replay(l)) load(); }, { class: 'button primary' })) : h('p', { class: 'muted' }, 'Only a reference to the record is kept. It cannot be replayed.')),
      h('section', { class: 'card' }, h('h2', {}, 'The record'), h('pre', { tabindex: '0' }, value || '(empty)')));
    } catch (err) {
      put(node, back, h('div', { class: 'problem', role: 'alert' }, err.message));
    }
  }
  load();
  return { node, title: 'Dead letter' };
}
