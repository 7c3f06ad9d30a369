// The results as they come. One stream of server-sent events serves all views; it goes on where it broke off.

import { send, Problem } from './api.js';

const MOST = 400; // results that are kept
const MINUTES = 15; // of which the rates are counted

class Feed {
  constructor() { this.reset(); this.listeners = new Set(); }

  reset() {
    this.results = []; // newest first: {result, at}
    this.seen = new Set();
    this.last = '';
    this.state = 'off'; // connecting, live, broken, refused
    this.why = '';
    this.collections = new Map(); // name -> {model, seen}
    this.begun = Date.now();
    this.buckets = []; // {minute, done, refused, reasons}
  }

  /** Calls back with each result, and with null when the state has changed. Returns the way to stop. */
  listen(f) { this.listeners.add(f); return () => this.listeners.delete(f); }

  tell(entry) { for (const f of this.listeners) f(entry); }

  set(state, why = '') {
    if (this.state === state && this.why === why) return;
    this.state = state;
    this.why = why;
    this.tell(null);
  }

  start() {
    this.stop();
    this.abort = new AbortController();
    this.run(this.abort.signal);
  }

  stop() {
    if (this.abort) this.abort.abort();
    this.reset();
  }

  async run(signal) {
    for (let pause = 1000; !signal.aborted;) {
      this.set(this.last ? 'broken' : 'connecting');
      try {
        const response = await send('GET', '/v1/results', { signal, headers: this.last ? { 'Last-Event-ID': this.last } : {} });
        this.set('live');
        pause = 1000;
        await this.read(response.body.getReader());
      } catch (err) {
        if (signal.aborted) return;
        if (err instanceof Problem && (err.status === 401 || err.status === 403)) { this.set('refused', err.message); return; }
        if (err instanceof Problem && err.status === 400) this.last = ''; // the topic was made anew
        this.set('broken', err instanceof Problem ? err.message : '');
      }
      if (signal.aborted) return;
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(2 * pause, 15000);
    }
  }

  async read(reader) {
    const decoder = new TextDecoder();
    let rest = '', id = '', data = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) this.take(JSON.parse(data.join('\n')));
          if (id) this.last = id;
          id = '';
          data = [];
        } else if (line.startsWith('data: ')) data.push(line.slice(6));
        else if (line.startsWith('id: ')) id = line.slice(4);
      }
    }
  }

  take(result) {
    if (this.seen.has(result.request_id)) return; // a result may come twice
    this.seen.add(result.request_id);
    const entry = { result, at: new Date() };
    this.results.unshift(entry);
    if (this.results.length > MOST) this.seen.delete(this.results.pop().result.request_id);
    if (result.collection) {
      const known = this.collections.get(result.collection) || { model: '', seen: 0 };
      const run = (result.models || []).find((m) => m.role === 'embedding' || m.role === 'voice');
      this.collections.set(result.collection, { model: run ? run.id : known.model, seen: known.seen + 1 });
    }
    this.count(result, entry.at);
    this.tell(entry);
  }

  count(result, at) {
    const minute = Math.floor(at / 60000);
    let bucket = this.buckets.at(-1);
    if (!bucket || bucket.minute !== minute) {
      bucket = { minute, done: 0, refused: 0, reasons: new Map() };
      this.buckets.push(bucket);
      if (this.buckets.length > MINUTES) this.buckets.shift();
    }
    const { return_code: code, reason } = result.call_status;
    bucket[code === 0 ? 'done' : 'refused']++;
    if (reason) bucket.reasons.set(reason, (bucket.reasons.get(reason) || 0) + 1);
  }
}

export const feed = new Feed();
