// How the deployment is: what this page sees of its results, and, for operators, what its processes say of themselves.

import { h, svg, put, badge, words, ms, empty, count } from './dom.js';
import { call, operator } from './api.js';
import { feed } from './feed.js';

const EVERY = 5000; // milliseconds between two looks
const KEPT = 60; // looks

/** The samples of a metrics page: {name, labels, value}. */
export function parse(text) {
  const out = [];
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, key, value] of (found[2] || '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    out.push({ name: found[1], labels, value: Number(found[3].replace('Inf', 'Infinity')) });
  }
  return out;
}

const named = (samples, name) => samples.filter((s) => s.name === name);

/** Sums samples by a key. */
function sums(samples, keyOf) {
  const out = new Map();
  for (const s of samples) out.set(keyOf(s.labels), (out.get(keyOf(s.labels)) || 0) + s.value);
  return out;
}

/** The quantile of a histogram, from counts up to each bound, by a straight line within the bound. */
export function quantile(q, bounds) {
  const sorted = [...bounds].sort((a, b) => a[0] - b[0]);
  const total = sorted.length > 0 ? sorted.at(-1)[1] : 0;
  if (!(total > 0)) return NaN;
  let below = 0, from = 0;
  for (const [bound, upTo] of sorted) {
    if (upTo >= q * total) return bound === Infinity ? from : from + (bound - from) * ((q * total - below) / Math.max(upTo - below, 1e-9));
    below = upTo;
    from = bound;
  }
  return from;
}

/** The stages: by service and stage the number and quantiles since the look before, or, where nothing came, since the start. */
function stagesOf(now, before) {
  const stages = new Map();
  const old = new Map(before ? before.filter((s) => s.name === 'facestream_stage_seconds_bucket').map((s) => [`${s.labels.service}/${s.labels.stage}/${s.labels.le}`, s.value]) : []);
  for (const s of named(now, 'facestream_stage_seconds_bucket')) {
    const key = `${s.labels.service}/${s.labels.stage}`;
    const le = Number(s.labels.le.replace('+Inf', 'Infinity'));
    const x = stages.get(key) || { service: s.labels.service, stage: s.labels.stage, whole: new Map(), lately: new Map() };
    x.whole.set(le, (x.whole.get(le) || 0) + s.value);
    x.lately.set(le, (x.lately.get(le) || 0) + Math.max(0, s.value - (old.get(`${key}/${s.labels.le}`) || 0)));
    stages.set(key, x);
  }
  return [...stages.values()].map((x) => {
    const lately = before && x.lately.get(Infinity) > 0;
    const from = lately ? x.lately : x.whole;
    return { ...x, lately, n: from.get(Infinity), p50: 1000 * quantile(0.5, from), p95: 1000 * quantile(0.95, from) };
  }).filter((x) => x.n > 0).sort((a, b) => b.p50 - a.p50);
}

/** A line of the last values. */
function line(values, label) {
  const most = Math.max(...values, 1e-9), w = 240, t = 44;
  const points = values.map((v, i) => `${(i * w / Math.max(values.length - 1, 1)).toFixed(1)},${(t - 3 - (v / most) * (t - 6)).toFixed(1)}`).join(' ');
  return svg('svg', { class: 'line', viewBox: `0 0 ${w} ${t}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    values.length > 1 && svg('polygon', { points: `0,${t} ${points} ${w},${t}` }), svg('polyline', { points }));
}

const tile = (label, value, ...rest) => h('div', { class: 'card tile' }, h('p', { class: 'tile-label' }, label), h('p', { class: 'tile-value' }, value), rest);

function table(caption, heads, rows) {
  return h('section', { class: 'card' }, h('h2', {}, caption), rows.length === 0 ? h('p', { class: 'muted' }, 'Nothing yet.')
    : h('div', { class: `table-scroll${rows.length > 14 ? ' tall' : ''}`, tabindex: '0', role: 'region', 'aria-label': caption }, h('table', {}, h('thead', {}, h('tr', {}, heads.map((t) => h('th', { scope: 'col' }, t)))), h('tbody', {}, rows.map((r) => h('tr', {}, r.map((c) => h('td', {}, c))))))));
}

const bytes = (v) => (v > 1e9 ? `${(v / 1e9).toFixed(2)} GB` : `${(v / 1e6).toFixed(0)} MB`);

function streamPart() {
  const buckets = feed.buckets;
  const total = buckets.reduce((sum, b) => sum + b.done + b.refused, 0);
  const refused = buckets.reduce((sum, b) => sum + b.refused, 0);
  const reasons = new Map();
  for (const b of buckets) for (const [reason, n] of b.reasons) reasons.set(reason, (reasons.get(reason) || 0) + n);
  return [
    h('h2', { class: 'part-title' }, 'What this page sees'),
    h('p', { class: 'muted' }, 'The results that the token may see, in the last 15 minutes at most, since this page was opened.'),
    h('div', { class: 'tiles' }, tile('Results', total.toLocaleString(), line(buckets.map((b) => b.done + b.refused), 'Results by minute')), tile('Refused', refused.toLocaleString()),
      tile('Stream', { live: 'Live', connecting: 'Connecting', broken: 'Broken', refused: 'Not allowed', off: 'Off' }[feed.state], feed.why && h('p', { class: 'muted' }, feed.why))),
    table('Reasons', ['Reason', 'Results'], [...reasons].sort((a, b) => b[1] - a[1]).map(([reason, n]) => [words(reason), n.toLocaleString()])),
  ];
}

export function healthView() {
  const place = h('div', {});
  const stream = h('div', {});
  const said = h('p', { class: 'muted' });
  const rates = [];
  let before = null, ended = false, timer = 0;

  function draw(processes) {
    const now = processes.flatMap((p) => parse(p.metrics || ''));
    const at = performance.now();
    const outcomes = named(now, 'facestream_outcomes_total');
    const total = outcomes.reduce((sum, s) => sum + s.value, 0);
    if (before) {
      rates.push(Math.max(0, total - before.total) / ((at - before.at) / 1000));
      if (rates.length > KEPT) rates.shift();
    }
    const lag = [...sums(named(now, 'facestream_queue_lag_records'), (l) => `${l.service} ${l.topic}`)];
    const waiting = named(now, 'facestream_waiting').filter((s) => s.value > 0);
    const reasonsNow = sums(outcomes.filter((s) => s.labels.reason !== 'none'), (l) => l.reason);
    const reasonsBefore = sums(before ? named(before.samples, 'facestream_outcomes_total').filter((s) => s.labels.reason !== 'none') : [], (l) => l.reason);
    const records = named(now, 'facestream_records_total');
    const lost = records.filter((s) => s.labels.outcome === 'dead_letter').reduce((sum, s) => sum + s.value, 0);
    const ready = processes.filter((p) => p.ready).length;
    put(place,
      h('div', { class: 'tiles' },
        tile('Processes ready', `${ready} of ${processes.length}`, waiting.length > 0 && badge(`waiting: ${[...new Set(waiting.map((s) => s.labels.service))].join(', ')}`, 'bad')),
        tile('Results a second', rates.length > 0 ? rates.at(-1).toFixed(rates.at(-1) < 10 ? 1 : 0) : '…', line(rates, `Results a second, the last ${rates.length * EVERY / 1000} seconds`)),
        tile('Lag', count(lag.reduce((sum, [, v]) => sum + v, 0), 'record')),
        tile('Results since the start', total.toLocaleString(), lost > 0 && badge(count(lost, 'dead letter'), 'bad'))),
      h('section', { class: 'card' }, h('h2', {}, 'Processes'), h('ul', { class: 'processes' }, processes.map(process))),
      h('div', { class: 'two' },
        table('Time per stage', ['Service', 'Stage', 'Records', 'Median', '95 %'], stagesOf(now, before?.samples).map((x) => [x.service, x.stage, h('span', { title: x.lately ? `in the last ${EVERY / 1000} seconds` : 'since the start' }, x.n.toLocaleString()), ms(x.p50), ms(x.p95)])),
        h('div', {},
          table('Answers that were not plain successes', ['Reason', 'Since the start', `Last ${EVERY / 1000} s`], [...reasonsNow].sort((a, b) => b[1] - a[1]).map(([reason, n]) => [words(reason), n.toLocaleString(), before ? String(n - (reasonsBefore.get(reason) || 0)) : '…'])),
          table('Lag by topic', ['Service', 'Topic', 'Records'], lag.map(([key, v]) => [...key.split(' '), v.toLocaleString()])))),
      table('Networks', ['Pack', 'Role', 'Network', 'Device'], named(now, 'facestream_network_info').map((s) => [s.labels.pack, words(s.labels.role), h('code', {}, s.labels.network), badge(s.labels.device, s.labels.device === 'cpu' ? 'plain' : 'ok')])));
    before = { samples: now, at, total };
  }

  function process(p) {
    const samples = parse(p.metrics || '');
    const memory = named(samples, 'process_resident_memory_bytes')[0];
    const begun = named(samples, 'process_start_time_seconds')[0];
    return h('li', {}, h('p', { class: 'process-name' }, h('i', { class: `dot ${p.ready ? 'ok' : 'bad'}` }), h('b', {}, p.name === 'gateway' ? 'This process' : p.name), ' ', badge(p.ready ? 'ready' : p.reached ? 'not ready' : 'not reached', p.ready ? 'ok' : 'bad')),
      p.error && h('p', { class: 'problem' }, p.error),
      h('p', { class: 'muted' }, [memory && bytes(memory.value), begun && `up ${since(begun.value)}`].filter(Boolean).join(' · ')),
      h('ul', { class: 'checks' }, Object.entries(p.checks || {}).sort().map(([name, c]) => h('li', { class: c.ok ? '' : 'failing' }, h('i', { class: `dot ${c.ok ? 'ok' : 'bad'}` }), name, c.error && h('span', {}, `: ${c.error}`)))));
  }

  const since = (seconds) => {
    const minutes = (Date.now() / 1000 - seconds) / 60;
    return minutes < 120 ? `${Math.max(0, Math.round(minutes))} min` : minutes < 2880 ? `${(minutes / 60).toFixed(1)} h` : `${(minutes / 1440).toFixed(1)} days`;
  };

  async function look() {
    if (operator()) {
      try {
        const { processes } = await call('GET', '/v1/services');
        if (ended) return;
        if (!place.contains(document.activeElement) || document.activeElement === document.body) draw(processes);
        put(said);
      } catch (err) {
        if (ended) return;
        put(said, h('span', { class: 'problem', role: 'alert' }, err.message));
      }
    } else {
      put(said, 'The health of the services is for operators.');
    }
    put(stream, streamPart());
    if (!ended) timer = setTimeout(look, EVERY);
  }
  if (operator()) put(place, empty('Asking…'));
  look();
  return { node: h('div', { class: 'health' }, said, place, stream), leave: () => { ended = true; clearTimeout(timer); } };
}
