// An operation with a picture of one's own.

import { h, icon, put, button, field, words, empty } from './dom.js';
import { may, operate } from './api.js';
import { feed } from './feed.js';
import { marked } from './picture.js';
import { resultView } from './result.js';
import { collectionField } from './collections.js';

const all = [
  ['validate', 'Look at faces', 'Finds the faces and says what they are like.', 1, {}],
  ['predict', 'Find a person', 'Searches a collection for the face (1:N).', 1, { collection: true }],
  ['enroll', 'Enrol', 'Adds the face to a collection.', 1, { collection: true, person: 'optional', writes: true }],
  ['verify', 'Verify', 'Compares the face with that of a person of a collection (1:1).', 1, { collection: true, person: 'required' }],
  ['compare', 'Compare two pictures', 'Says whether two pictures show the same person.', 2, {}],
  ['anti_spoofing', 'Check liveness', 'Says whether a live person was in front of the camera.', 1, {}],
  ['estimate_age', 'Estimate the age', 'Needs a model pack with a network for it.', 1, {}],
  ['face_iso', 'Make a portrait', 'Eyes level, framed, in front of a plain background.', 1, {}],
  ['doc_scan_face', 'Read a document', 'Finds, straightens and reads an identity document.', 1, {}],
];

export const tryable = () => all.filter(([op]) => may(op));

// What was chosen stays while the page is open. Pictures do not.
const chosen = { operation: '', collection: '', lenient: false, config: '' };

let offered = []; // pictures that were dropped on another view
let accept = null; // of the view that is shown

/** Takes pictures that were dropped anywhere on the page. */
export function offer(files) {
  if (accept) { accept(files); return; }
  offered = files;
  location.hash = '#/try';
}

const types = 'image/*,.heic,.heif,.avif,.tif,.tiff';

export function tryView() {
  const operations = tryable();
  if (!operations.some(([op]) => op === chosen.operation)) chosen.operation = operations[0][0];
  let files = [], running = null, camera = null;

  const answer = h('div', { 'aria-live': 'polite', class: 'answer' });
  const pictures = h('div', { class: 'drop-pictures' });
  const input = h('input', { type: 'file', accept: types, multiple: true, id: 'file', class: 'unseen', onchange: () => { take([...input.files]); input.value = ''; },
    onkeydown: (e) => { if (e.key === 'Enter') { e.preventDefault(); input.click(); } } });
  const drop = h('div', { class: 'drop' }, pictures, h('div', { class: 'drop-ask' }, icon('picture', 30), h('p', {}, 'Drop a picture here, paste one, or'),
    h('div', { class: 'actions centre' }, input, h('label', { for: 'file', class: 'button' }, 'Choose a file'), navigator.mediaDevices && button('Use the camera', openCamera))));
  const video = h('div', { class: 'camera', hidden: true });

  const what = h('select', { id: 'operation', onchange: () => { chosen.operation = what.value; describe(); } }, operations.map(([op, label]) => h('option', { value: op, selected: op === chosen.operation }, label)));
  const about = h('p', { class: 'hint' });
  const collection = collectionField('try-collection', chosen.collection);
  const person = h('input', { id: 'person', autocomplete: 'off', spellcheck: 'false', maxlength: 256 });
  const lenient = h('input', { type: 'checkbox', id: 'lenient', checked: chosen.lenient, onchange: () => { chosen.lenient = lenient.checked; } });
  const config = h('textarea', { id: 'config', rows: 4, spellcheck: 'false', placeholder: '{"neighbors": 5}', value: chosen.config });
  const fields = h('div', { class: 'fields' });
  const go = h('button', { class: 'button primary wide' }, 'Run');
  const said = h('div', { class: 'problem', role: 'alert', hidden: true });

  const current = () => operations.find(([op]) => op === chosen.operation);

  function describe() {
    const [, label, text, , needs] = current();
    put(about, text);
    put(fields,
      needs.collection && field('Collection', collection),
      needs.person && field(needs.person === 'required' ? 'Person (external id)' : 'Name (external id)', person, needs.person === 'required' ? null : 'Without one, a new person is made each time.'));
    put(go, needs.writes ? label : 'Run');
    const most = current()[3];
    if (files.length > most) files = files.slice(-most);
    show();
  }

  function show() {
    const need = current()[3];
    drop.classList.toggle('full', files.length >= need);
    put(pictures, files.map((file, i) => h('div', { class: 'chosen' }, marked(file, { alt: `Picture ${i + 1}, not yet sent`, most: 480 }),
      h('button', { type: 'button', class: 'remove', 'aria-label': `Take picture ${i + 1} away`, onclick: () => { files.splice(i, 1); show(); } }, icon('close', 16)))));
    go.disabled = files.length < need;
  }

  function take(list) {
    const most = current()[3];
    files = [...files.slice(0, list.length >= most ? 0 : most), ...list].slice(-most);
    show();
    const [, , , need, needs] = current();
    if (files.length === need && !needs.writes && needs.person !== 'required') run();
  }

  const complain = (text) => { said.hidden = !text; put(said, text); };

  async function run() {
    const [op, , , need, needs] = current();
    if (files.length < need) return;
    complain('');
    const fieldsOf = {}, settings = {};
    if (chosen.lenient) Object.assign(settings, { anti_spoofing_mode: 0, face_validations_off: true });
    if (op === 'predict') settings.neighbors = 5;
    if (op === 'validate' || op === 'estimate_age') settings.face_detection_strategy = 0; // every face
    chosen.config = config.value;
    if (config.value.trim()) {
      try { Object.assign(settings, JSON.parse(config.value)); } catch { complain('The configuration is not JSON.'); return; }
    }
    if (Object.keys(settings).length > 0) fieldsOf.config = settings;
    if (needs.collection) {
      chosen.collection = collection.value.trim();
      if (chosen.collection) fieldsOf.collection = chosen.collection;
    }
    if (needs.person) {
      const name = person.value.trim();
      if (!name && needs.person === 'required') { complain('Say who it should be.'); person.focus(); return; }
      if (name) fieldsOf.external_id = name;
    }
    if (running) running.abort();
    const mine = running = new AbortController();
    const sent = [...files];
    put(answer, h('div', { class: 'working' }, h('span', { class: 'spinner' }), 'At work…'));
    const began = performance.now();
    try {
      const result = await operate(op, fieldsOf, sent, mine.signal);
      if (mine.signal.aborted) return;
      put(answer, resultView(result, { blobs: sent, took: performance.now() - began }));
      if (answer.getBoundingClientRect().top > window.innerHeight * 0.6) answer.scrollIntoView({ behavior: 'smooth' });
    } catch (err) {
      if (err.name === 'AbortError') return;
      put(answer, problemView(err));
    }
  }

  function problemView(err) {
    const note = err.status === 403 ? 'The token does not allow this.' : '';
    return h('div', { class: 'problem', role: 'alert' }, h('b', {}, words(err.reason || 'refused')), ' ', note, ' ', err.message,
      err.problems.length > 0 && h('ul', {}, err.problems.map((p) => h('li', {}, h('code', {}, p.field), ' ', p.message))));
  }

  async function openCamera() {
    try {
      camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'user', width: { ideal: 1280 } } });
    } catch (err) {
      complain(err.name === 'NotAllowedError' ? 'The browser does not let this page use the camera.' : 'There is no camera that this page can use.');
      return;
    }
    const picture = h('video', { autoplay: true, playsinline: true, muted: true, 'aria-label': 'What the camera sees' });
    picture.srcObject = camera;
    const snap = button('Take the picture', () => {
      const canvas = h('canvas', { width: picture.videoWidth, height: picture.videoHeight });
      canvas.getContext('2d').drawImage(picture, 0, 0);
      canvas.toBlob((blob) => { if (blob) take([blob]); }, 'image/jpeg', 0.92);
    }, { class: 'button primary' });
    video.hidden = false;
    put(video, picture, h('div', { class: 'actions centre' }, snap, button('Close', closeCamera)));
    snap.focus();
  }

  function closeCamera() {
    if (camera) camera.getTracks().forEach((t) => t.stop());
    camera = null;
    video.hidden = true;
    put(video);
  }

  const paste = (e) => {
    const found = [...(e.clipboardData?.files || [])];
    if (found.length > 0) take(found);
  };
  document.addEventListener('paste', paste);
  const known = feed.collections; // for the list of collections
  if (!chosen.collection && known.size > 0) collection.value = [...known.keys()][0];

  put(answer, empty('The answer appears here', 'Pictures are sent to the gateway and kept there as with any request.'));
  describe();
  accept = take;
  if (offered.length > 0) queueMicrotask(() => take(offered.splice(0)));
  return {
    node: h('div', { class: 'try' },
      h('form', { class: 'card try-form', onsubmit: (e) => { e.preventDefault(); run(); } },
        h('div', { class: 'field' }, h('label', { for: 'operation' }, 'Operation'), what, about),
        fields, drop, video,
        h('label', { class: 'check' }, lenient, 'Skip liveness and quality checks'),
        h('details', {}, h('summary', {}, 'Configuration'), field('JSON', config, 'Keys as in docs/operation-config.md. The operator’s floors hold.')),
        said, go),
      answer),
    leave: () => { accept = null; closeCamera(); document.removeEventListener('paste', paste); if (running) running.abort(); },
  };
}
