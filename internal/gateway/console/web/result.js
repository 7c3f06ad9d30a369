// A result for people: what became of it in a few words, and everything that it says.

import { h, badge, ms, words, put, button, empty, count } from './dom.js';
import { call, picture, imagePath, operate, requestOf, may } from './api.js';
import { marked, portrait, toneOf } from './picture.js';

export const shortID = (id) => (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id) ? id.slice(0, 8) : id);

/** Who a candidate is, for people. */
const nameOf = (c) => c.external_id || shortID(c.puid || '');

const percent = (v) => `${(100 * v).toFixed(1)} %`;

/** The ages of faces, for people: 47, 36 and 20. */
function ages(faces) {
  const all = faces.filter((f) => f.age_data).slice(0, 6).map((f) => String(Math.round(f.age_data.estimated_age)));
  return all.length > 1 ? `${all.slice(0, -1).join(', ')} and ${all.at(-1)}` : all[0];
}

/** What a result comes to: {tone, title, detail}. */
export function verdict(r) {
  const { return_code: code, reason, return_message: message } = r.call_status;
  const said = message && message !== 'ok' ? message : '';
  if (code !== 0) return { tone: 'bad', title: words(reason || 'refused'), detail: said };
  if (reason) {
    const tone = /spoof|mismatch|duplicate|failed/.test(reason) ? 'bad' : 'warn';
    return { tone, title: words(reason), detail: r.user_feedback_message || said };
  }
  if (r.predict && r.predict.api_response) {
    const top = (r.predict.api_response.PI_list || [])[0];
    return { tone: 'ok', title: `Found ${top ? nameOf(top) : shortID(r.predict.api_response.puid || '')}`, detail: `similarity ${r.predict.api_response.score.toFixed(3)}` };
  }
  if (r.compare) return { tone: r.compare.is_match ? 'ok' : 'warn', title: r.compare.is_match ? 'The same person' : 'Different people', detail: `similarity ${r.compare.similarity_score.toFixed(3)}` };
  if (r.verify) return { tone: r.verify.is_match ? 'ok' : 'warn', title: r.verify.is_match ? 'It is this person' : 'Somebody else', detail: `similarity ${r.verify.similarity_score.toFixed(3)}` };
  if (r.voice_compare) return { tone: r.voice_compare.is_match ? 'ok' : 'warn', title: r.voice_compare.is_match ? 'The same speaker' : 'Different speakers', detail: '' };
  if (r.enroll && r.enroll.enroll_performed) return { tone: 'ok', title: `Enrolled ${r.external_id || shortID(r.enroll.api_response?.puid || '')}`, detail: '' };
  if (r.user_delete) return { tone: 'ok', title: 'Erased', detail: `${r.user_delete.uuid_count} images` };
  if (r.user_change) return { tone: 'ok', title: `Person ${r.user_change.message}`, detail: '' };
  if (r.group_change) return { tone: 'ok', title: `Group ${r.group_change.message}`, detail: r.group_change.id };
  if (r.user_list) return { tone: 'plain', title: `${r.user_list.persons.length} people listed`, detail: '' };
  if (r.group_list) return { tone: 'plain', title: `${r.group_list.groups.length} groups listed`, detail: '' };
  if (r.challenge) return { tone: 'plain', title: 'Challenge issued', detail: '' };
  if (r.iso_image) return { tone: 'ok', title: 'Portrait made', detail: '' };
  if (r.document) return { tone: 'ok', title: `Document found${r.document.detected_document.type ? `: ${r.document.detected_document.type}` : ''}`, detail: '' };
  if (r.faces && r.operation === 'anti_spoofing' && r.faces[0]?.spoof_status === 0) return { tone: 'ok', title: 'Live', detail: '' };
  if (r.faces && r.operation === 'estimate_age' && r.faces[0]?.age_data) return { tone: 'ok', title: `About ${ages(r.faces)} years`, detail: '' };
  if (r.faces) return { tone: 'ok', title: r.faces.length === 1 ? 'One face' : `${r.faces.length} faces`, detail: r.user_feedback_message || '' };
  return { tone: 'ok', title: 'Done', detail: r.user_feedback_message || '' };
}

/** Milliseconds of work, all stages together. */
export const workOf = (r) => Object.values(r.timings_ms || {}).reduce((sum, v) => sum + v, 0);

/** The stages as a bar whose parts are as long as they took. */
export function stages(r, legend = false) {
  const all = Object.entries(r.timings_ms || {}).filter(([, v]) => v > 0).sort((a, b) => b[1] - a[1]);
  if (all.length === 0) return null;
  const total = workOf(r);
  return h('div', { class: 'stages' },
    h('div', { class: 'bar', role: 'img', 'aria-label': all.map(([name, v]) => `${name} ${ms(v)}`).join(', ') },
      all.map(([name, v], i) => h('span', { class: `part p${Math.min(i, 5)}`, title: `${name} ${ms(v)}`, style: { 'flex-grow': String(v / total) } }))),
    legend && h('ul', { class: 'legend' }, all.map(([name, v], i) => h('li', {}, h('i', { class: `dot p${Math.min(i, 5)}` }), name, ' ', h('b', {}, ms(v))))));
}

const trait = (name) => words(name.replace(/^[FD]T_/, '').toLowerCase());

const spoofs = { 0: ['Live', 'ok'], 1: ['Liveness failed', 'warn'], 3: ['Liveness not assessable', 'warn'], 4: ['Spoof', 'bad'] };

/** Few words about each face. */
export function chips(r) {
  const out = [];
  for (const face of (r.faces || []).slice(0, 3)) {
    if (spoofs[face.spoof_status]) out.push(badge(...spoofs[face.spoof_status]));
    for (const name of (face.face_traits || []).slice(0, 3)) out.push(badge(trait(name), 'warn'));
    if (face.age_data) out.push(badge(`${Math.round(face.age_data.estimated_age)} years`));
  }
  return out;
}

/** Whether the images of a request are pictures. */
export const hasPictures = (r) => (r.images || []).length > 0 && !r.operation.startsWith('voice_');

function facts(list) {
  const rows = list.filter(([, v]) => v !== undefined && v !== null && v !== false && v !== '');
  return rows.length === 0 ? null : h('dl', { class: 'facts' }, rows.map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)]));
}

const section = (title, ...content) => h('section', { class: 'card' }, h('h2', {}, title), content);

function faceCard(face, i, several) {
  const scores = face.scores || [];
  return h('div', { class: 'face' },
    h('h3', {}, h('i', { class: `dot ${toneOf(face)}` }), several ? `Face ${i + 1}` : 'Face', h('span', { class: 'muted' }, ` ${percent(face.geometry.face_confidence_score)} sure`)),
    h('div', { class: 'chips' },
      spoofs[face.spoof_status] ? badge(...spoofs[face.spoof_status]) : badge('Liveness not checked'),
      (face.face_traits || []).map((name) => badge(trait(name), 'warn')),
      face.geometry.turned && badge(`found turned by ${face.geometry.turned}°`),
      face.ghost_portrait && badge('ghost portrait')),
    facts([
      ['Pose', face.pose && `yaw ${face.pose.yaw.toFixed(0)}°, pitch ${face.pose.pitch.toFixed(0)}°, roll ${face.pose.roll.toFixed(0)}°`],
      ['Liveness', face.liveness && face.liveness.score !== undefined && `${face.liveness.score.toFixed(3)}, live from ${(face.liveness.threshold || 0).toFixed(3)}`],
      ['Liveness says', face.liveness && face.liveness.message],
      ['Age', face.age_data && `${face.age_data.estimated_age.toFixed(1)} years${face.age_data.age_deviation ? ` ± ${face.age_data.age_deviation.toFixed(1)}` : ''}`],
      ['Size', `${Math.round(face.geometry.bounding_box.bottom_right.x - face.geometry.bounding_box.top_left.x)} × ${Math.round(face.geometry.bounding_box.bottom_right.y - face.geometry.bounding_box.top_left.y)} pixels`],
    ]),
    scores.length > 0 && h('details', {}, h('summary', {}, `${scores.length} measurements`), facts(scores.map((s) => [words(s.name), String(Number(s.value.toPrecision(4)))]))));
}

/** A line from -1 (or 0) to 1 with the thresholds, and where the similarity lies on it. */
function scale(score, thresholds, tone) {
  const at = (v) => `${Math.max(0, Math.min(100, 100 * v))}%`;
  const names = ['min', 'med', 'max'];
  return h('div', { class: 'scale', role: 'img', 'aria-label': `similarity ${score.toFixed(3)}${thresholds ? `; thresholds ${thresholds.map((t) => t.toFixed(3)).join(', ')}` : ''}` },
    h('span', { class: `level ${tone}`, style: { width: at(score) } }),
    (thresholds || []).map((t, i) => h('i', { title: `${names[i]} ${t.toFixed(3)}`, style: { left: at(t) } })));
}

const levels = { 3: ['ok', 'above max'], 2: ['warn', 'above med'], 1: ['warn', 'above min'] };

/** The picture that a candidate was enrolled with, and the result of that enrolment, which says where the face is. */
export async function enrolled(collection, puid, guid) {
  if (!may('user_list', collection)) return {};
  const listed = await operate('user_list', { collection, puid, page: { limit: 100 } });
  const image = (listed.user_list?.images || []).find((x) => x.guid === guid);
  const id = image && await requestOf(image.object);
  if (!id) return {};
  return { blob: await picture(imagePath(id, 0)), result: await call('GET', `/v1/requests/${encodeURIComponent(id)}`).catch(() => null) };
}

function candidates(r, list, thresholds, blobs) {
  const probe = portrait(blobs[0], r, 'The face that was searched for');
  return h('div', { class: 'candidates' },
    h('div', { class: 'probe' }, probe, h('b', {}, 'Searched')),
    h('ol', { class: 'found' }, list.map((c) => {
      const [tone, meaning] = levels[c.enroll_level] || ['bad', 'below min'];
      const of = enrolled(r.collection, c.puid, c.guid).catch(() => ({}));
      return h('li', {}, h('a', { class: 'candidate', href: personLink(r.collection, c.puid) },
        portrait(of.then((x) => x.blob), of.then((x) => x.result), `The enrolled picture of ${nameOf(c)}`),
        h('span', { class: 'who' }, h('b', {}, nameOf(c)), badge(`${c.score.toFixed(3)}, ${meaning}`, tone), scale(c.score, thresholds, tone))));
    })));
}

export const personLink = (collection, puid) => `#/people/${encodeURIComponent(collection)}/${encodeURIComponent(puid)}`;

const download = (r) => {
  const url = URL.createObjectURL(new Blob([JSON.stringify(r, null, 2)], { type: 'application/json' }));
  h('a', { href: url, download: `${r.request_id}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};

/**
 * Everything about a result. blobs are promises of its pictures, where the page has them already; took is how long the caller waited, in
 * milliseconds.
 */
export function resultView(r, { blobs, took } = {}) {
  const pictures = hasPictures(r) ? r.images.map((_, i) => (blobs && blobs[i]) || picture(imagePath(r.request_id, i))) : [];
  const v = verdict(r);
  const faces = r.faces || [];
  const made = [];
  if (r.iso_image?.image) made.push(['portrait', 'Portrait']);
  if (r.document?.cropped_document) made.push(['document', 'Straightened document']);
  faces.forEach((f, i) => f.cropped_image_info && made.push([`face-${i}`, `Face ${i + 1}`]));
  (r.barcodes || []).forEach((b, i) => b.cropped_barcode && made.push([`barcode-${i}`, `Barcode ${i + 1}`]));
  const found = r.predict?.api_response?.PI_list || r.enroll?.api_response?.duplicates || [];
  const thresholds = r.predict?.api_response?.face_thresholds || r.predict?.api_response?.voice_thresholds;
  return h('div', { class: 'result' },
    h('div', { class: `verdict ${v.tone}` },
      h('div', {}, h('p', { class: 'verdict-title' }, v.title), v.detail && h('p', {}, v.detail)),
      h('div', { class: 'verdict-time' }, h('b', {}, ms(took || workOf(r))), h('span', {}, took ? 'until the answer' : 'of work'))),
    found.length > 0 && section(r.predict ? 'Candidates' : 'Others with this face', candidates(r, found, thresholds, pictures)),
    h('div', { class: `result-body${pictures.length > 1 ? ' several' : ''}` },
      pictures.length > 0 && h('div', { class: 'pictures' },
        pictures.map((blob, i) => marked(blob, { result: r, image: i, alt: `Picture ${i + 1}: ${faces.filter((f) => (f.image || 0) === i).length} faces` })),
        made.map(([name, label]) => h('figure', { class: 'made' }, marked(picture(imagePath(r.request_id, name)), { alt: label, most: 800 }), h('figcaption', {}, label)))),
      h('div', { class: 'result-text' },
        r.compare && section('Comparison', similarity(r.compare, r.compare.face_thresholds),
          (r.compare.pairs || []).length > 1 && h('ul', { class: 'plain' }, r.compare.pairs.map((p) => h('li', {}, `face ${p.face_a + 1} and face ${p.face_b + 1}: ${p.similarity_score.toFixed(3)} `, badge(p.is_match ? 'same' : 'different', p.is_match ? 'ok' : 'plain'))))),
        r.verify && section('Verification', similarity(r.verify, r.verify.face_thresholds || r.verify.voice_thresholds), r.verify.puid && h('p', {}, h('a', { href: personLink(r.collection, r.verify.puid) }, 'Open this person'))),
        r.enroll?.api_response?.puid && section('Enrolment', facts([['Person', h('a', { href: personLink(r.collection, r.enroll.api_response.puid) }, r.external_id || r.enroll.api_response.puid)], ['Collection', r.collection], ['Image', h('code', {}, r.enroll.api_response.guid)]])),
        r.document && section('Document', documentFacts(r.document.detected_document)),
        (r.barcodes || []).length > 0 && section('Barcodes', r.barcodes.map((b) => facts([['Kind', words(b.format)], ['Read', b.bar_code_detection_status === 0 ? 'yes' : 'no'], ['Says', b.barcode_data && h('code', { class: 'long' }, JSON.stringify(b.barcode_data))]]))),
        (r.recordings || r.voice_compare?.recordings) && section('Recordings', (r.recordings || r.voice_compare.recordings).map((x) => facts([['Length', `${x.seconds.toFixed(1)} s, of them ${x.speech_seconds.toFixed(1)} s speech`], ['File', `${x.container}, ${x.sample_rate} Hz`]]))),
        faces.length > 0 && section(faces.length === 1 ? 'Face' : `${faces.length} faces`, faces.slice(0, 20).map((f, i) => faceCard(f, i, faces.length > 1))),
        section('Work', stages(r, true), facts([
          ['Operation', words(r.operation)], ['Collection', r.collection], ['Name', r.external_id], ['Tag', r.call_status.operation_tag],
          ['Request', h('code', { class: 'long' }, r.request_id)],
          ['Notes', (r.notes || []).map((n) => h('div', {}, n))],
          ['Damage', (r.damaged_images || []).map((d) => h('div', {}, d.message))],
        ].filter(([, x]) => !Array.isArray(x) || x.length > 0)),
        (r.models || []).length > 0 && h('details', { class: 'more' }, h('summary', {}, count(r.models.length, 'network')), facts(r.models.map((m) => [words(m.role), h('code', { class: 'long' }, m.id)])))),
        h('details', { class: 'card raw', ontoggle: (e) => { if (e.target.open) put(e.target.querySelector('pre'), JSON.stringify(r, null, 2)); } },
          h('summary', {}, 'The whole result as JSON'), h('pre', { tabindex: '0' }), button('Save', () => download(r))))));
}

function similarity(x, thresholds) {
  const tone = x.is_match ? 'ok' : 'warn';
  return [h('p', { class: 'big-number' }, x.similarity_score.toFixed(3), h('small', {}, ' similarity')), scale(x.similarity_score, thresholds, tone),
    thresholds && h('p', { class: 'muted' }, `thresholds ${thresholds.map((t) => t.toFixed(3)).join(' · ')}`)];
}

function documentFacts(d) {
  return [
    h('div', { class: 'chips' }, badge(`${percent(d.confidence_score)} sure`), d.type && badge(d.type), (d.document_traits_names || []).map((n) => badge(trait(n), 'warn'))),
    facts([
      ['Machine-readable zone', (d.mrz_data || []).length > 0 && h('pre', { class: 'zone' }, d.mrz_data.join('\n'))],
      ['Born', d.ocr_age_data?.dob], ['Age', d.ocr_age_data?.age > 0 && d.ocr_age_data.age],
      ['Checks', (d.cross_checks || []).map((c) => h('div', {}, `${words(c.field)}: `, badge(words(c.outcome), c.outcome === 'agrees' ? 'ok' : c.outcome === 'contradicts' ? 'bad' : 'plain'), ` ${c.sources.join(', ')}`))],
    ].filter(([, x]) => x && (!Array.isArray(x) || x.length > 0))),
    d.text && (d.text.lines || []).length > 0 && h('details', { class: 'more' }, h('summary', {}, count(d.text.lines.length, 'printed line')), h('ul', {}, d.text.lines.map((l) => h('li', {}, l.text)))),
  ];
}

/** The page of one result, by the id of its request. */
export function resultPage(id, back) {
  const place = h('div', {}, h('p', { class: 'muted' }, 'Loading…'));
  call('GET', `/v1/requests/${encodeURIComponent(id)}`, { headers: { Prefer: 'wait=10' } }).then((r) => {
    put(place, r.status === 'pending' ? empty('There is no result yet', 'The request waits its turn.') : resultView(r));
  }).catch((err) => put(place, h('div', { class: 'problem', role: 'alert' }, err.message)));
  return h('div', {}, back, place);
}
