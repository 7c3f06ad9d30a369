// The HTTP API, as docs/http-api.md describes it. The token is kept for this tab alone and is sent in a header, never in an address.

export const session = { token: '', caller: null };

const KEPT = 'facestream.token';

/** An answer that is not what was asked for. reason is stable; detail is for people. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The gateway answers ${status}.`);
    this.status = status;
    this.reason = body.reason || '';
    this.problems = body.problems || [];
    this.requestID = body.request_id;
    this.result = body.result;
  }
}

let lost = () => {};

/** Calls back when the token is not taken any more. */
export function onLost(f) { lost = f; }

export function keptToken() {
  try { return sessionStorage.getItem(KEPT) || ''; } catch { return ''; }
}

/** Enters with a token or a key. Throws a Problem when it is not taken. */
export async function enter(token) {
  session.token = token.trim();
  try {
    session.caller = await call('GET', '/v1/caller');
  } catch (err) {
    session.token = '';
    throw err;
  }
  try { sessionStorage.setItem(KEPT, session.token); } catch { /* it is asked for again after a reload */ }
}

export function leave() {
  session.token = '';
  session.caller = null;
  try { sessionStorage.removeItem(KEPT); } catch { /* it was not kept */ }
}

function authorization() {
  if (!session.token) return {};
  return session.token.split('.').length === 3 ? { Authorization: `Bearer ${session.token}` } : { 'X-API-Key': session.token };
}

/** Sends a request and returns the response. Throws a Problem when it is refused, and when nothing answers. */
export async function send(method, path, { headers = {}, body, signal } = {}) {
  let response;
  try {
    response = await fetch(path, { method, body, signal, headers: { ...authorization(), ...headers }, cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer' });
  } catch (err) {
    if (err.name === 'AbortError') throw err;
    throw new Problem(0, { reason: 'unreachable', detail: 'The gateway does not answer.' });
  }
  if (response.ok) return response;
  let said = {};
  try { said = await response.json(); } catch { /* no problem in its form */ }
  if (response.status === 401 && session.caller) lost(said.detail);
  throw new Problem(response.status, said);
}

/** Sends a request and returns its JSON. */
export async function call(method, path, options) {
  return (await send(method, path, options)).json();
}

/** A key that no other request has. */
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}

/**
 * Carries out an operation and returns its result, also one that says that it was refused. Files make it a form. A result that takes
 * longer than the gateway waits is waited for here. fields whose value is undefined are left out.
 */
export async function operate(operation, fields, files = [], signal) {
  const headers = { 'Idempotency-Key': randomKey() };
  let body;
  if (files.length > 0) {
    body = new FormData();
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined) body.append(name, typeof value === 'string' ? value : JSON.stringify(value));
    }
    for (const file of files) body.append('image', file, 'image');
  } else {
    headers['Content-Type'] = 'application/json';
    body = JSON.stringify(fields);
  }
  try {
    let response = await send('POST', `/v1/${operation}`, { headers, body, signal });
    while (response.status === 202) {
      const { request_id: id } = await response.json();
      response = await send('GET', `/v1/requests/${encodeURIComponent(id)}`, { headers: { Prefer: 'wait=20' }, signal });
    }
    return await response.json();
  } catch (err) {
    if (err instanceof Problem && err.result) return err.result;
    throw err;
  }
}

/** The same for an act: a result that says that it was refused is thrown as a Problem. */
export async function act(operation, fields) {
  const result = await operate(operation, fields);
  const status = result.call_status;
  if (status.return_code !== 0) throw new Problem(422, { reason: status.reason, detail: status.return_message || status.reason });
  return result;
}

function matches(patterns, name) {
  return (patterns || []).some((pattern) => {
    const parts = pattern.split('*').map((p) => p.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`, 's').test(name);
  });
}

/** Whether the token allows an operation, about a collection if one is given. */
export function may(operation, collection) {
  const caller = session.caller;
  return Boolean(caller) && matches(caller.operations, operation) && (!collection || matches(caller.collections, collection));
}

export const operator = () => Boolean(session.caller && session.caller.operator);

// ---- pictures, which are fetched with the token and kept for a while

const pictures = new Map();
const MOST = 120;

/** A picture of the API as a blob; null where it is gone or may not be seen. Those that were used last are kept. */
export function picture(path) {
  if (pictures.has(path)) {
    const kept = pictures.get(path);
    pictures.delete(path);
    pictures.set(path, kept);
    return kept;
  }
  const loading = send('GET', path).then((r) => r.blob()).catch((err) => {
    pictures.delete(path);
    if (err instanceof Problem && (err.status === 404 || err.status === 403 || err.status === 413)) return null;
    throw err;
  });
  pictures.set(path, loading);
  if (pictures.size > MOST) pictures.delete(pictures.keys().next().value);
  return loading;
}

export function forgetPictures() { pictures.clear(); }

/** The path of an image of a request. */
export const imagePath = (id, image) => `/v1/requests/${encodeURIComponent(id)}/images/${image}`;

/** The namespace of the ids of requests that uploads make (pkg/schema, ObjectRequestID). */
const UPLOADS = '377882c2-1240-5edc-8d51-5b95fe5d13d7';

/**
 * The request that an object came with; null where that cannot be told. The key of an object that came over HTTP has the id of its request.
 * That of an upload to the store follows from its bucket, key and version, as a UUID of version 5. An object that an event named has
 * neither, and nothing is found under the id.
 */
export async function requestOf(object) {
  if (!object) return null;
  const found = /\/([A-Za-z0-9][A-Za-z0-9._:-]{0,127})\/[0-9a-f]{32}$/.exec(`/${object.key}`);
  if (found) return found[1];
  if (!crypto.subtle) return null; // without TLS, browsers give it to pages of this machine alone
  const bytes = new TextEncoder();
  const parts = [object.bucket, object.key, object.version || `etag:${object.etag || ''}`];
  const name = bytes.encode(parts.map((p) => `${bytes.encode(p).length}:${p}`).join(''));
  const space = Uint8Array.from(UPLOADS.replaceAll('-', '').match(/../g), (x) => parseInt(x, 16));
  const sum = new Uint8Array(await crypto.subtle.digest('SHA-1', new Uint8Array([...space, ...name])));
  sum[6] = (sum[6] & 0x0f) | 0x50;
  sum[8] = (sum[8] & 0x3f) | 0x80;
  const hex = Array.from(sum.slice(0, 16), (b) => b.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
