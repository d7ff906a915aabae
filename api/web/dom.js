// Making elements. Everything a vendor or a caller said goes through text
// nodes; nothing in this page parses markup.

const SVG = 'http://www.w3.org/2000/svg';

// el makes an element. Attributes that are null, undefined or false are left
// out, true gives an empty one; on holds event listeners.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// svg does the same in the SVG namespace.
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (value === true) {
      node.setAttribute(name, '');
    } else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Characters that are not seen, or that change how others are seen: controls,
// directions, invisible spaces, lone surrogates, tags. Tab and line end stay.
const UNSEEN = /\r(?=\n)|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Cs}]/gu;

function escapeOf(c) {
  if (c === '\r') return '';
  return '\\u' + c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
}

// plain is s for places that hold only a string: titles, labels, attributes.
export function plain(s) {
  return String(s).replace(UNSEEN, (c, at, all) => (c === '\r' && all[at + 1] !== '\n' ? '\\u000D' : escapeOf(c)));
}

// pieces turns s into nodes with its unseen characters spelled out.
function pieces(s) {
  const out = [];
  let from = 0;
  for (const m of s.matchAll(UNSEEN)) {
    if (m.index > from) out.push(document.createTextNode(s.slice(from, m.index)));
    from = m.index + m[0].length;
    const lineEnd = m[0] === '\r' && s[from] === '\n';
    if (!lineEnd) out.push(el('span', { class: 'escape' }, m[0] === '\r' ? '\\u000D' : escapeOf(m[0])));
  }
  if (from < s.length) out.push(document.createTextNode(s.slice(from)));
  return out;
}

// said is text of a vendor or a caller, isolated so that its direction does
// not reach its surroundings. marks are [start, end) in code points.
export function said(s, marks = []) {
  const node = el('bdi', { class: 'said' });
  const text = String(s);
  const units = marks.length ? unitOffsets(text) : [];
  let from = 0;
  for (const [a, b] of marks) {
    const start = units[a] ?? text.length;
    const end = units[b] ?? text.length;
    if (start < from || end <= start) continue;
    node.append(...pieces(text.slice(from, start)), el('mark', {}, pieces(text.slice(start, end))));
    from = end;
  }
  node.append(...pieces(text.slice(from)));
  return node;
}

// coded is text of ours in which what stands between backticks is code.
export function coded(s) {
  const texts = plain(s).split('`');
  if (texts.length % 2 === 0) return texts.join('`'); // one without its other
  return texts.map((text, i) => (i % 2 ? el('code', {}, text) : text));
}

// unitOffsets maps a code point's index to its index in UTF-16 units.
function unitOffsets(s) {
  const out = [];
  let at = 0;
  for (const c of s) {
    out.push(at);
    at += c.length;
  }
  out.push(at);
  return out;
}

// runes counts the code points of s.
export function runes(s) {
  return [...s].length;
}

const ICONS = {
  play: ['M8 5.5v13l11-6.5z'],
  pause: ['M8 6v12', 'M16 6v12'],
  back: ['M19 12H5', 'M11 6l-6 6 6 6'],
  inbound: ['M18 6L7 17', 'M15 17H7V9'],
  outbound: ['M6 18L17 7', 'M9 7h8v8'],
  web: ['M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18', 'M3 12h18', 'M12 3c6 6 6 12 0 18', 'M12 3c-6 6-6 12 0 18'],
  unknown: ['M6 12h12'],
  sun: ['M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8', 'M12 2v2.5', 'M12 19.5V22', 'M2 12h2.5', 'M19.5 12H22', 'M5 5l1.7 1.7', 'M17.3 17.3L19 19', 'M19 5l-1.7 1.7', 'M6.7 17.3L5 19'],
  moon: ['M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z'],
  download: ['M12 4v11', 'M7 10.5l5 5 5-5', 'M5 20h14'],
  filter: ['M4 7h16', 'M7 12h10', 'M10 17h4'],
  check: ['M5 12.5l4.5 4.5L19 7.5'],
  wait: ['M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18', 'M12 7.5V12l3 2'],
  cross: ['M6.5 6.5l11 11', 'M17.5 6.5l-11 11'],
  minus: ['M6 12h12'],
};

export function icon(name, size = 18) {
  return svg('svg', { class: 'icon icon-' + name, viewBox: '0 0 24 24', width: size, height: size, 'aria-hidden': 'true', focusable: 'false' },
    (ICONS[name] ?? ICONS.unknown).map((d) => svg('path', { d })));
}

let liveTimer;

// announce says s to a screen reader, once typing has come to rest.
export function announce(s) {
  clearTimeout(liveTimer);
  liveTimer = setTimeout(() => { document.getElementById('live').textContent = s; }, 250);
}

// reduced tells whether the person wants less motion.
export function reduced() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
