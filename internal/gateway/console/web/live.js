// The results as they come.

import { h, icon, put, say, badge, ms, words, clock, button, empty } from './dom.js';
import { picture, imagePath } from './api.js';
import { feed } from './feed.js';
import { tryable } from './try.js';
import { marked, noPicture } from './picture.js';
import { verdict, chips, stages, workOf, hasPictures } from './result.js';

const MOST = 48; // cards
const PAUSE = 400; // milliseconds between two looks at what has come
const AT_ONCE = 6; // cards at each look, so that a fast stream asks for no more pictures than a person can see
const reads = new Set(['user_list', 'group_list']);

// What is chosen stays while the page is open.
const chosen = { operation: '', collection: '', status: '', reads: false };

const passes = ({ result: r }) => (chosen.reads || chosen.operation || !reads.has(r.operation))
  && (!chosen.operation || r.operation === chosen.operation)
  && (!chosen.collection || r.collection === chosen.collection)
  && (!chosen.status || (chosen.status === 'done') === (r.call_status.return_code === 0));

/** A card of one result. */
function card({ result: r, at }) {
  const v = verdict(r);
  return h('li', { dataset: { id: r.request_id } }, h('a', { class: 'live-card', href: `#/result/${encodeURIComponent(r.request_id)}` },
    hasPictures(r)
      ? h('div', { class: 'thumbs' }, r.images.slice(0, 2).map((_, i) => marked(picture(imagePath(r.request_id, i)), { result: r, image: i, alt: `Picture ${i + 1} of the request`, most: 560 })))
      : h('div', { class: 'thumbs' }, h('div', { class: 'picture' }, noPicture(r.operation.startsWith('voice_') ? 'a recording' : 'no picture'))),
    h('div', { class: 'live-text' },
      h('p', { class: 'live-title' }, h('i', { class: `dot ${v.tone}` }), h('b', {}, v.title)),
      v.detail && h('p', { class: 'live-detail' }, v.detail),
      h('div', { class: 'chips' }, chips(r)),
      stages(r),
      h('p', { class: 'live-foot' }, h('span', {}, words(r.operation), r.collection && h('span', { class: 'muted' }, ` · ${r.collection}`)),
        h('span', { class: 'muted' }, `${ms(workOf(r))} · ${clock(at)}`)))));
}

export function liveView() {
  const list = h('ul', { class: 'live' });
  const none = h('div', {});
  const summary = h('p', { class: 'muted rate' });
  let paused = false, waiting = 0, spoken = 0, known = '', fresh = [], passed = 0, timer = 0;

  const operations = () => [...new Set(feed.results.map((e) => e.result.operation))].sort();
  const select = (label, key, options) => {
    const s = h('select', { 'aria-label': label, onchange: () => { chosen[key] = s.value; draw(); } }, options.map(([value, text]) => h('option', { value, selected: chosen[key] === value }, text)));
    return s;
  };
  const filters = h('div', { class: 'filters' });
  const pause = button([icon('pause', 18), ' Pause'], () => {
    paused = !paused;
    put(pause, icon(paused ? 'play' : 'pause', 18), paused ? ' Go on' : ' Pause');
    pause.setAttribute('aria-pressed', String(paused));
    if (!paused) { waiting = 0; draw(); }
    sum();
  }, { 'aria-pressed': 'false' });

  function sum() {
    const now = feed.buckets.at(-1);
    const current = now && now.minute === Math.floor(Date.now() / 60000) ? now.done + now.refused : 0;
    put(summary, paused ? `Paused, ${waiting} waiting` : `${feed.results.length} since ${clock(new Date(feed.begun))}, ${current} in this minute${passed > 0 ? `; ${passed} came too fast to be shown` : ''}`);
  }

  function drawFilters() {
    put(filters,
      select('Operation', 'operation', [['', 'All operations'], ...operations().map((o) => [o, words(o)])]),
      select('Collection', 'collection', [['', 'All collections'], ...[...feed.collections.keys()].sort().map((c) => [c, c])]),
      select('Outcome', 'status', [['', 'All outcomes'], ['done', 'Answered'], ['refused', 'Refused']]),
      h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: chosen.reads, onchange: (e) => { chosen.reads = e.target.checked; draw(); } }), 'Lists of people and groups'));
  }

  function draw() {
    const shown = feed.results.filter(passes).slice(0, MOST);
    fresh = [];
    passed = 0;
    put(list, shown.map(card));
    hint(shown.length);
    sum();
  }

  function hint(n) {
    if (n > 0) { put(none); return; }
    put(none, feed.state === 'refused' ? h('div', { class: 'problem', role: 'alert' }, feed.why)
      : empty('Nothing has come yet', h('p', {}, 'Results appear here the moment they are published.'), tryable().length > 0 && h('p', {}, 'Drop a picture anywhere, or ', h('a', { href: '#/try' }, 'choose an operation'), '.')));
  }

  /** Shows the newest of what has come since the last look. */
  function look() {
    timer = 0;
    if (fresh.length === 0) return;
    passed += Math.max(0, fresh.length - AT_ONCE);
    for (const entry of fresh.slice(-AT_ONCE)) {
      const c = card(entry);
      c.classList.add('new');
      list.prepend(c);
    }
    while (list.children.length > MOST) list.lastElementChild.remove();
    const newest = fresh.at(-1).result;
    fresh = [];
    hint(1);
    sum();
    if (Date.now() - spoken > 2500) {
      spoken = Date.now();
      say(`${words(newest.operation)}: ${verdict(newest).title}`);
    }
    timer = setTimeout(look, PAUSE);
  }

  const stop = feed.listen((entry) => {
    const choices = `${operations()} ${[...feed.collections.keys()]}`;
    if (choices !== known && !filters.contains(document.activeElement)) { known = choices; drawFilters(); }
    if (!entry) { hint(list.children.length); return; }
    if (!passes(entry)) return;
    if (paused) { waiting++; sum(); return; }
    fresh.push(entry);
    if (!timer) look();
  });
  const ticking = setInterval(sum, 5000);
  drawFilters();
  draw();
  return { node: h('div', {}, filters, summary, list, none), tools: pause, leave: () => { stop(); clearInterval(ticking); clearTimeout(timer); } };
}
