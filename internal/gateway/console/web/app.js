// The frame: who is in, which view is shown, and the way between them. The address after # names the view.

import { h, icon, put, button } from './dom.js';
import { session, enter, leave, keptToken, onLost, may, operator, forgetPictures } from './api.js';
import { feed } from './feed.js';
import { resultPage } from './result.js';
import { liveView } from './live.js';
import { tryView, tryable, offer } from './try.js';
import { peopleView, personView } from './people.js';
import { groupsView } from './groups.js';
import { collectionsView } from './collections.js';
import { lettersView } from './letters.js';
import { healthView } from './health.js';

const app = document.getElementById('app');

/** The views: name, title, icon, view, and whether the token may see it. */
const views = [
  { name: 'live', title: 'Live', icon: 'live', view: liveView, allowed: () => session.caller.operations.length > 0 },
  { name: 'try', title: 'Try', icon: 'try', view: tryView, allowed: () => tryable().length > 0 },
  { name: 'people', title: 'People', icon: 'people', view: ([collection, puid], query) => (puid ? personView(collection, puid) : peopleView(collection, query)), allowed: () => may('user_list') },
  { name: 'groups', title: 'Groups', icon: 'groups', view: ([collection]) => groupsView(collection), allowed: () => may('group_list') },
  { name: 'collections', title: 'Collections', icon: 'collections', view: collectionsView, allowed: () => session.caller.collections.length > 0 },
  { name: 'letters', title: 'Dead letters', short: 'Letters', icon: 'letters', view: ([id]) => lettersView(id), allowed: operator },
  { name: 'health', title: 'Health', icon: 'health', view: healthView, allowed: () => true },
];

let shown = null; // the view, which may have to be told that it ends
let frame = null;

function buildFrame() {
  const allowed = views.filter((v) => v.allowed());
  const main = h('main', { id: 'main', tabindex: '-1' });
  const state = h('span', { class: 'stream-state' });
  const links = allowed.map((v) => h('a', { href: `#/${v.name}`, dataset: { view: v.name } }, icon(v.icon), h('span', { class: 'long-name' }, v.title), h('span', { class: 'short-name' }, v.short || v.title)));
  const name = session.caller.name.replace(/^(facestream|key) /, '');
  const ends = session.caller.until ? `until ${new Date(session.caller.until).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}` : '';
  put(app, h('div', { class: 'frame-page' },
    h('header', { class: 'side' },
      h('a', { class: 'brand', href: `#/${allowed[0].name}` }, h('img', { src: 'console/icon.svg', alt: '', width: 28, height: 28 }), h('span', {}, 'facestream')),
      h('nav', { 'aria-label': 'Views' }, links),
      h('div', { class: 'foot' }, state,
        h('p', { class: 'caller', title: ends }, name, ends && h('small', {}, ends)),
        button([icon('leave', 18), ' Leave'], signOut, { class: 'button quiet', 'aria-label': 'Leave: forget the token' }))),
    main));
  frame = { allowed, main, state, links };
  feed.listen((entry) => { if (!entry) showState(); });
  showState();
}

const states = { connecting: ['warn', 'Connecting'], live: ['ok', 'Live'], broken: ['warn', 'Reconnecting'], refused: ['bad', 'No results'], off: ['plain', 'Off'] };

function showState() {
  const [tone, text] = states[feed.state];
  put(frame.state, h('i', { class: `dot ${tone}` }), text);
  frame.state.title = feed.why;
}

function route() {
  if (!session.caller) return;
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...rest] = path.split('/').map(decode);
  const query = new URLSearchParams(search || '');
  if (shown && shown.leave) shown.leave();
  shown = null;
  const known = frame.allowed.find((v) => v.name === name);
  for (const link of frame.links) {
    if (link.dataset.view === (name === 'result' ? 'live' : name)) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  let title = known?.title, content;
  if (name === 'result' && rest[0]) {
    title = 'Result';
    content = { node: resultPage(rest[0], h('p', { class: 'back' }, h('a', { href: '#/live' }, icon('back', 18), 'Live results'))) };
  } else if (known) {
    content = known.view(rest, query);
  } else if (views.some((v) => v.name === name)) {
    title = 'Not allowed';
    content = { node: h('div', { class: 'problem', role: 'alert' }, 'The token does not allow this.') };
  } else {
    location.replace(`#/${frame.allowed[0].name}`);
    return;
  }
  shown = content;
  const heading = h('h1', { tabindex: '-1' }, content.title || title);
  put(frame.main, h('div', { class: 'head' }, heading, content.tools), content.node);
  document.title = `${content.title || title} · facestream`;
  if (route.before) heading.focus({ preventScroll: true });
  route.before = true;
  window.scrollTo(0, 0);
}

function decode(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

async function signIn(token) {
  await enter(token);
  feed.start();
  buildFrame();
  route.before = false;
  route();
}

function signOut() {
  feed.stop();
  forgetPictures();
  if (shown && shown.leave) shown.leave();
  shown = null;
  leave();
  askForToken();
}

function askForToken(why) {
  const said = h('p', { class: 'problem', role: 'alert', hidden: !why }, why);
  const input = h('input', { type: 'password', id: 'token', name: 'token', autocomplete: 'off', spellcheck: 'false', required: true, placeholder: 'eyJ…' });
  const go = h('button', { class: 'button primary' }, 'Enter');
  document.title = 'facestream';
  put(app, h('main', { id: 'main', class: 'gate', tabindex: '-1' },
    h('form', {
      class: 'card',
      onsubmit: async (e) => {
        e.preventDefault();
        go.disabled = true;
        try {
          await signIn(input.value);
        } catch (err) {
          go.disabled = false;
          said.hidden = false;
          put(said, err.status === 401 ? `The token is not taken: ${err.message}` : err.message);
          input.focus();
        }
      },
    },
    h('img', { src: 'console/icon.svg', alt: '', width: 52, height: 52 }),
    h('h1', {}, 'facestream'),
    h('p', { class: 'muted' }, 'Enter a token, or an API key. It stays in this tab, and is forgotten when the tab is closed.'),
    h('label', { for: 'token', class: 'unseen' }, 'Token'), input, said, go,
    h('p', { class: 'hint' }, h('code', {}, 'facestream up'), ' prints a link with one, and ', h('code', {}, 'facestream token issue'), ' makes others.'))));
  input.focus();
}

onLost((why) => {
  if (!session.caller) return;
  signOut();
  askForToken(why || 'The token has ended.');
});

window.addEventListener('hashchange', () => {
  if (takeToken()) start(); else route();
});

let given = '';

/** A link may bring the token behind the #. It is taken out of the address at once. */
function takeToken() {
  const found = /^#token=([^&]+)$/.exec(location.hash);
  if (!found) return false;
  given = decode(found[1]);
  history.replaceState(null, '', location.pathname);
  return true;
}

async function start() {
  const token = given || keptToken();
  if (session.caller) signOut();
  if (!token) { askForToken(); return; }
  try {
    await signIn(token);
  } catch (err) {
    if (err.status === 401) leave();
    askForToken(err.status === 401 ? `The token is not taken: ${err.message}` : err.message);
  }
}

// A picture may be dropped anywhere.
const files = (e) => [...e.dataTransfer.types].includes('Files');
const dropped = (e) => files(e) && session.caller && tryable().length > 0;
let inside = 0;
const over = (on) => { inside = Math.max(0, on); document.body.classList.toggle('over', inside > 0); };
document.addEventListener('dragenter', (e) => { if (dropped(e)) over(inside + 1); });
document.addEventListener('dragleave', (e) => { if (dropped(e)) over(inside - 1); });
document.addEventListener('dragover', (e) => { if (files(e)) e.preventDefault(); });
document.addEventListener('drop', (e) => {
  if (files(e)) e.preventDefault(); // else the browser would open the file instead of the page
  over(0);
  if (dropped(e) && e.dataTransfer.files.length > 0) offer([...e.dataTransfer.files]);
});

// What follows # is the view, so the link to the content only moves the focus.
document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault();
  document.getElementById('main').focus();
});

takeToken();
start();
