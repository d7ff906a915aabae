// Talking to the daemon this page came from, and to nothing else.

// Problem is an answer that is not a success. kind is session, offline, query,
// missing, busy or other.
export class Problem extends Error {
  constructor(kind, message, body = {}) {
    super(message);
    this.kind = kind;
    this.position = body.position ?? null;
    this.status = body.status ?? 0;
  }
}

const KINDS = { 401: 'session', 403: 'refused', 404: 'missing', 429: 'busy', 503: 'busy' };

async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch { /* not one of ours: the status has to do */ }
  const kind = body.position === undefined ? KINDS[response.status] ?? 'other' : 'query';
  return new Problem(kind, body.detail ?? `The daemon answered ${response.status}.`, body);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function send(path, options) {
  for (let attempt = 1; ; attempt++) {
    let response;
    try {
      response = await fetch(path, { credentials: 'same-origin', redirect: 'error', ...options });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Problem('offline', 'The daemon does not answer.');
    }
    if (response.ok) return response.json();
    if (response.status !== 429 || attempt === 5) throw await problemOf(response);
    await pause(150 * attempt);
  }
}

// query writes parameters; a list becomes alternatives, which are separated by
// commas, so a comma within a value is escaped.
export function query(parameters) {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (Array.isArray(value)) {
      for (const v of value) out.append(name, String(v).replaceAll('\\', '\\\\').replaceAll(',', '\\,'));
    } else if (value !== '' && value !== null && value !== undefined) {
      out.append(name, value);
    }
  }
  return out.toString();
}

export function get(path, parameters = {}, signal = undefined) {
  const q = query(parameters);
  return send(q ? `${path}?${q}` : path, { signal });
}

export function post(path, body) {
  return send(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
}

// callPath is the path of one call: its id is one segment, whatever it holds.
export const callPath = (source, id) => `/v1/calls/${encodeURIComponent(source)}/${encodeURIComponent(id)}`;

// callLink is the address of a call within this page.
export function callLink(source, id, parameters = {}) {
  const q = query(parameters);
  return `#/call/${encodeURIComponent(source)}/${encodeURIComponent(id)}${q ? '?' + q : ''}`;
}

// keyLink is the same for "source/id".
export function keyLink(key) {
  const at = key.indexOf('/');
  return callLink(key.slice(0, at), key.slice(at + 1));
}
