// Elements, icons and small helpers. Nothing here, or elsewhere in the console, makes markup of text.

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an element. Properties: class, on<event>, dataset, anything else an attribute; children: nodes, texts, lists, or nothing. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'dataset') Object.assign(element.dataset, value);
    else if (name === 'value') element.value = value;
    else if (name === 'style') for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child);
  }
}

/** Replaces what an element holds. */
export function put(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

const shapes = {
  live: ['M3 12h4l2.5-7 5 14 2.5-7h4'],
  try: ['M4 8.5A1.5 1.5 0 0 1 5.5 7H8l1.5-2h5L16 7h2.5A1.5 1.5 0 0 1 20 8.5v8a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 16.5z', 'M12 9.2a3.2 3.2 0 1 1 0 6.400 3.2 3.2 0 0 1 0-6.400z'],
  people: ['M12 4.5a3.7 3.7 0 1 1 0 7.400 3.7 3.7 0 0 1 0-7.400z', 'M4.800 20c.5-3.600 3.5-5.600 7.2-5.600s6.7 2 7.2 5.600'],
  groups: ['M9 6.2a3 3 0 1 1 0 6 3 3 0 0 1 0-6z', 'M3 19c.4-3 2.900-4.600 6-4.600s5.600 1.600 6 4.600', 'M15.5 6.5a2.800 2.800 0 0 1 0 5.400M17.2 14.7c2 .5 3.400 2 3.800 4.300'],
  collections: ['M12 4l8 4-8 4-8-4z', 'M4 12l8 4 8-4', 'M4 16l8 4 8-4'],
  letters: ['M4 6.5h16v11H4z', 'M4 7l8 6 8-6'],
  health: ['M12 20c-5-3.600-8-6.600-8-10.2A4.300 4.300 0 0 1 12 7.5a4.300 4.300 0 0 1 8 2.300C20 13.400 17 16.400 12 20z'],
  leave: ['M14 5H6v14h8', 'M11 12h9M17 9l3 3-3 3'],
  pause: ['M8.5 6v12M15.5 6v12'],
  play: ['M8 5.5l10 6.5-10 6.5z'],
  search: ['M11 5a6 6 0 1 1 0 12 6 6 0 0 1 0-12z', 'M15.5 15.5L20 20'],
  picture: ['M4 5.5h16v13H4z', 'M4 15.5l4.5-4.5 4 4 2.5-2.5 5 5', 'M15.5 8.5v.1'],
  close: ['M6 6l12 12M18 6L6 18'],
  back: ['M14 6l-6 6 6 6'],
  check: ['M5 12.5l4.5 4.5L19 7.5'],
};

/** A line icon. It says nothing to screen readers: a text beside it, or an aria-label around it, does. */
export function icon(name, size = 20) {
  return svg('svg', { viewBox: '0 0 24 24', width: size, height: size, class: 'icon', 'aria-hidden': 'true', focusable: 'false' },
    shapes[name].map((d) => svg('path', { d })));
}

/** Says something to screen readers, without moving the focus. */
export function say(text) {
  const place = document.getElementById('spoken');
  if (place.textContent !== text) place.textContent = text;
}

/** Shows a short message for some seconds. */
export function toast(text, tone = 'ok') {
  const note = h('div', { class: `toast ${tone}` }, text);
  document.getElementById('toasts').append(note);
  setTimeout(() => note.remove(), 6000);
}

/** A button. */
export function button(label, onclick, properties = {}) {
  return h('button', { type: 'button', class: 'button', onclick, ...properties }, label);
}

/** A labelled field. The hint belongs to it for screen readers, too. */
export function field(label, control, hint) {
  const id = control.id || (control.id = `f${++fields}`);
  if (hint) control.setAttribute('aria-describedby', `${id}-hint`);
  return h('div', { class: 'field' }, h('label', { for: id }, label), control, hint && h('p', { class: 'hint', id: `${id}-hint` }, hint));
}
let fields = 0;

/** A coloured word. */
export const badge = (text, tone = 'plain') => h('span', { class: `badge ${tone}` }, text);

/** What is shown where there is nothing. */
export const empty = (title, ...rest) => h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), rest.length > 0 && h('div', { class: 'muted' }, rest));

/** Asks before something that cannot be taken back. Resolves to whether it is wanted. */
export function confirmed(title, text, act) {
  return new Promise((resolve) => {
    const no = button('Keep', () => box.close(), { autofocus: true });
    let yes = false;
    const box = h('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title', onclose: () => { box.remove(); resolve(yes); } },
      h('h2', { id: 'dialog-title' }, title), h('p', {}, text),
      h('div', { class: 'actions' }, no, button(act, () => { yes = true; box.close(); }, { class: 'button danger' })));
    document.body.append(box);
    box.showModal();
  });
}

/** A dialog with a form. submit gets the form and returns a promise; where that fails, the dialog stays and says why. */
export function formDialog(title, controls, act, submit) {
  const said = h('div', { class: 'problem', role: 'alert', hidden: true });
  const go = h('button', { class: 'button primary' }, act);
  const form = h('form', {
    onsubmit: async (e) => {
      e.preventDefault();
      go.disabled = true;
      try {
        await submit(form);
        box.close();
      } catch (err) {
        said.hidden = false;
        put(said, err.message);
      }
      go.disabled = false;
    },
  }, controls, said, h('div', { class: 'actions' }, button('Cancel', () => box.close()), go));
  const box = h('dialog', { class: 'dialog', 'aria-labelledby': 'dialog-title', onclose: () => box.remove() }, h('h2', { id: 'dialog-title' }, title), form);
  document.body.append(box);
  box.showModal();
}

/** A date for people, in their own time zone; the whole in its title. */
export function when(text) {
  const date = new Date(text);
  return h('time', { datetime: text, title: date.toLocaleString() }, date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }));
}

export const clock = (date) => date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** Milliseconds for people. */
export function ms(value) {
  if (value >= 10000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 100 ? `${Math.round(value)} ms` : `${value.toFixed(value >= 10 ? 0 : 1)} ms`;
}

/** A name of the API for people: anti_spoofing becomes Anti spoofing. */
export function words(name) {
  const text = name.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;
