// The search view: the box in the header, filters, the timeline and the
// results. It stays in the document while a call is open, so that going back
// finds it as it was.

import { callLink, get, query as write } from './api.js';
import { announce, el, icon, plain, said } from './dom.js';
import { Filters } from './filters.js';
import { agentOf, count, exact, length, many, moment, nameOf, offset, startOf, word, Word } from './format.js';
import { failed, sentence, skeleton } from './notice.js';
import { Timeline } from './timeline.js';

const PAGE = 25;
let box; // in the header
let parts = null; // of the view, once built
let filters, timeline;
let running = new AbortController();
let next = null; // cursor of the next page
let hash = null; // the address the results are of
let visible = false;
let scrolled = 0;
let opened = null; // key of the call that was opened last
const hits = new Map(); // snippets by key, to mark them in the open call

// bind wires the search box, which is there in every view.
export function bind(form, input) {
  box = input;
  let timer;
  const typed = (push) => {
    clearTimeout(timer);
    go({ ...current(), q: box.value.trim() }, push);
  };
  form.addEventListener('submit', (e) => {
    e.preventDefault();
    typed(true);
  });
  box.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => typed(!location.hash.startsWith('#/?') && location.hash !== '#/'), 220);
  });
}

const current = () => ({ q: box.value.trim(), ...(filters?.value() ?? {}) });

// go shows the results of a search; push keeps the present one in the history.
function go(wanted, push) {
  const q = write(wanted);
  const address = '#/' + (q ? '?' + q : '');
  if (address === location.hash || (address === '#/' && location.hash === '')) return;
  // Both at once: what is typed before a later event would be written over.
  history[push ? 'pushState' : 'replaceState'](null, '', address);
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

function build(root) {
  filters = new Filters((value) => go({ q: box.value.trim(), ...value }, true));
  timeline = new Timeline((from, to) => filters.range(from, to));
  parts = {
    title: el('h1', { class: 'hidden' }, 'Calls'),
    count: el('p', { class: 'count' }),
    sort: el('select', { id: 'sort', on: { change: (e) => filters.set('sort', e.target.value) } }),
    chips: el('ul', { class: 'chips', 'aria-label': 'Active filters' }),
    list: el('ol', { class: 'results' }),
    foot: el('div', { class: 'foot' }),
    toggle: el('button', { type: 'button', class: 'button quiet filters-toggle', 'aria-expanded': 'false', 'aria-controls': 'filters' }, icon('filter'), 'Filters'),
  };
  parts.toggle.addEventListener('click', () => {
    const open = parts.toggle.getAttribute('aria-expanded') !== 'true';
    parts.toggle.setAttribute('aria-expanded', open);
    filters.root.classList.toggle('open', open);
  });
  root.append(
    parts.title,
    parts.toggle,
    filters.root,
    el('div', { class: 'found' },
      timeline.root,
      el('div', { class: 'found-head' },
        parts.count,
        el('label', { class: 'sort', for: 'sort' }, 'Order', parts.sort)),
      parts.chips, parts.list, parts.foot));
}

export async function enter(root, query, _rest, from) {
  if (!parts) build(root);
  visible = true;
  document.title = query.get('q') ? `${plain(query.get('q'))} · callsyncd` : 'callsyncd';
  const q = query.get('q') ?? '';
  if (box.value.trim() !== q) box.value = q; // else it is being typed
  filters.read(query);
  if (hash === location.hash) return comeBack(from);
  hash = location.hash;
  opened = null;
  await search();
}

// leave lets a search that still runs come to its end, for the way back.
export function leave() {
  visible = false;
  scrolled = window.scrollY;
}

function comeBack(from) {
  if (from === 'search' || from === null) return;
  window.scrollTo(0, scrolled);
  const link = [...parts.list.querySelectorAll('a.open')].find((a) => a.dataset.key === opened);
  link?.focus({ preventScroll: true });
}

async function search() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const wanted = current();
  busy(true);
  timeline.busy(true);
  try {
    const answer = await get('/v1/search', { ...filters.parameters(), q: wanted.q, facets: filters.names(), limit: PAGE }, signal);
    problem(null);
    draw(answer, wanted);
    busy(false);
    // One after the other: the daemon runs few searches at once.
    filters.counts(answer.facets, filters.chosen());
    for (const name of filters.chosen()) {
      const others = await get('/v1/search', { ...filters.parameters(name), q: wanted.q, facets: [name], limit: 1 }, signal);
      filters.counts(others.facets);
    }
    await timeline.load(filters.parameters(), wanted.q, answer.facets.month, signal);
    timeline.busy(false);
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (error.kind === 'session') throw error;
    problem(error);
    busy(false);
    timeline.busy(false);
  }
}

function busy(on) {
  parts.list.setAttribute('aria-busy', on);
  if (on && !parts.list.children.length) {
    parts.foot.replaceChildren(skeleton(6, 'result'));
    parts.count.replaceChildren('Searching');
  }
}

// problem shows what is wrong with a search. One that cannot be read is often
// only not typed to its end, so the results before it stay, dimmed.
function problem(error) {
  const unread = error?.kind === 'query';
  box.setAttribute('aria-invalid', unread);
  parts.list.classList.toggle('stale', unread);
  if (!error) return;
  announce(sentence(error.message));
  if (unread) {
    parts.count.replaceChildren(broken(error));
    if (!parts.list.children.length) parts.foot.replaceChildren();
    return;
  }
  parts.list.replaceChildren();
  parts.chips.replaceChildren();
  parts.count.replaceChildren('No results');
  parts.foot.replaceChildren(failed(error, () => search()));
}

// broken marks the place where a query breaks.
function broken(error) {
  const q = [...box.value.trim()];
  const at = Math.min(error.position, q.length);
  return el('span', { class: 'broken' }, sentence(error.message) + ' ',
    el('code', {}, plain(q.slice(0, at).join('')), el('mark', {}, plain(q[at] ?? '␣')), plain(q.slice(at + 1).join(''))));
}

function draw(answer, wanted) {
  hits.clear();
  next = answer.pagination.next_cursor;
  const sentence = coverage(answer);
  parts.count.replaceChildren(...sentence);
  announce(parts.count.textContent);
  drawSort(wanted);
  drawChips();
  parts.list.replaceChildren(...answer.data.map(row));
  if (visible) window.scrollTo(0, 0);
  drawFoot(answer, wanted);
}

// coverage says how many calls there are and how much of the archive this
// speaks for.
function coverage({ pagination, coverage: c }) {
  const waits = [];
  if (c.waiting.transcript) waits.push(`${count(c.waiting.transcript)} ${c.waiting.transcript === 1 ? 'waits' : 'wait'} for a transcript`);
  if (c.waiting.index) waits.push(`${count(c.waiting.index)} not indexed yet`);
  if (c.too_long) waits.push(`${count(c.too_long)} ${c.too_long === 1 ? 'is' : 'are'} too long to be searched whole`);
  const searched = c.searchable === c.calls ? `searched all ${count(c.calls)}` : `searched ${count(c.searchable)} of ${count(c.calls)}`;
  return [el('strong', {}, many(pagination.total, 'call')), el('span', { class: 'quiet' }, '; ' + [searched, ...waits].join(', '))];
}

function drawSort(wanted) {
  const orders = [['newest', 'Newest first'], ['oldest', 'Oldest first']];
  if (wanted.q) orders.unshift(['relevance', 'Best match']);
  const chosen = wanted.sort ?? orders[0][0];
  parts.sort.replaceChildren(...orders.map(([value, label]) => el('option', { value: value === orders[0][0] ? '' : value, selected: value === chosen }, label)));
}

function drawChips() {
  const active = filters.active();
  parts.chips.replaceChildren(...active.map(({ label, remove }) => el('li', {},
    el('button', { type: 'button', class: 'chip', 'aria-label': `Remove filter ${plain(label)}`, on: { click: remove } }, plain(label), icon('cross', 14)))));
  const badge = active.length ? ` (${active.length})` : '';
  parts.toggle.lastChild.textContent = `Filters${badge}`;
}

function drawFoot(answer, wanted) {
  parts.foot.replaceChildren();
  if (next) {
    parts.foot.append(el('button', { type: 'button', class: 'button', on: { click: (e) => more(e.target, wanted) } }, 'Show more'));
  } else if (answer.pagination.total === 0) {
    parts.foot.append(nothing(answer, wanted));
  } else if (answer.pagination.total > 5) {
    parts.foot.append(el('p', { class: 'quiet' }, 'That is all: ', ...coverage(answer)));
  }
}

function nothing(answer, wanted) {
  const narrowed = filters.active().length > 0;
  const empty = answer.coverage.calls === 0 && !narrowed;
  if (empty && !wanted.q) {
    return el('div', { class: 'explain' }, el('h2', {}, 'No calls yet'),
      el('p', {}, 'The first sync fills this page by itself. ', el('a', { href: '#/sources' }, 'See how far it is'), '.'));
  }
  return el('div', { class: 'explain' }, el('h2', {}, 'No call matches'),
    el('p', {}, wanted.q ? 'All words must occur. Try fewer of them, OR between them, or the beginning of one: canc*.' : 'No call has all that is asked for on the left.'),
    narrowed && el('p', {}, el('button', { type: 'button', class: 'button', on: { click: () => filters.clear() } }, 'Clear the filters')));
}

async function more(button, wanted) {
  button.disabled = true;
  try {
    const answer = await get('/v1/search', { ...filters.parameters(), q: wanted.q, limit: PAGE, cursor: next }, running.signal);
    const rows = answer.data.map(row);
    parts.list.append(...rows);
    next = answer.pagination.next_cursor;
    drawFoot(answer, wanted);
    announce(`${many(rows.length, 'more call')}`);
    rows[0]?.querySelector('a.open').focus();
  } catch (error) {
    if (error.name !== 'AbortError') parts.foot.replaceChildren(failed(error, () => more(button, wanted)));
  }
}

// address is where the results are that were last looked at.
export const address = () => hash ?? '#/';

// found is what a search marked in the call with this key.
export const found = (key) => hits.get(key) ?? [];

function row(hit) {
  const c = hit.call;
  const q = box.value.trim();
  if (hit.snippets.length) hits.set(c.key, hit.snippets);
  const link = el('a', { class: 'open', href: callLink(c.source, c.id), 'data-key': c.key }, said(nameOf(c)));
  const agent = agentOf(c);
  return el('li', {}, el('article', { class: 'result', on: { click: (e) => { if (!e.target.closest('a') && !getSelection().toString()) link.click(); } } },
    el('div', { class: 'result-mark', title: direction(c) }, icon(c.direction ?? 'unknown'), el('span', { class: 'hidden' }, direction(c))),
    el('div', { class: 'result-head' },
      el('h2', {}, link),
      el('p', { class: 'result-when' }, el('time', { datetime: startOf(c), title: exact(startOf(c)) }, moment(startOf(c))))),
    el('p', { class: 'result-facts' },
      el('span', {}, facts([agent && el('span', {}, 'with ', said(agent)), c.duration_seconds !== null && length(c.duration_seconds), c.status && c.status !== 'completed' && Word(c.status), el('span', {}, said(c.source)), c.campaign_name && said(c.campaign_name)])),
      feeling(c)),
    q && hit.snippets.length ? el('ul', { class: 'snippets' }, hit.snippets.slice(0, 3).map((s) => snippet(c, s)))
      : el('p', { class: 'result-summary' }, c.summary ? said(c.summary) : el('span', { class: 'quiet' }, why(c))),
    missing(c)));
}

const direction = (c) => (c.direction === 'web' ? 'Web call' : c.direction === 'inbound' || c.direction === 'outbound' ? `${Word(c.direction)} call` : 'Call');

// facts puts a dot between those that are known.
export function facts(list) {
  return list.filter(Boolean).flatMap((fact, i) => (i ? [el('span', { class: 'sep', 'aria-hidden': 'true' }, ' · '), fact] : [fact]));
}

// feeling is the sentiment as a word with a coloured sign.
export function feeling(c) {
  return c.sentiment_label && el('span', { class: 'feeling feeling-' + c.sentiment_label }, Word(c.sentiment_label));
}

// UNHELD are the states of calls on which no words were exchanged. A completed
// one without transcript may have been a long talk.
const UNHELD = new Set(['no_answer', 'busy', 'failed', 'canceled']);

// why says what there is to read in place of a summary.
export function why(c) {
  if (c.parts.transcript === 'pending') return 'The transcript is still to come.';
  if (c.parts.transcript === 'none') return UNHELD.has(c.status) ? `Nobody spoke: ${word(c.status)}.` : 'No transcript.';
  return 'No summary.';
}

function snippet(c, s) {
  const place = s.part === 'transcript' ? Word(s.speaker ?? 'said') : Word(s.part);
  const turn = s.turn === null ? {} : { turn: s.turn };
  return el('li', {}, el('a', { class: 'snippet', href: callLink(c.source, c.id, turn), tabindex: '-1' },
    el('span', { class: 'snippet-place' }, place, s.start_seconds !== null && el('span', { class: 'snippet-second' }, offset(s.start_seconds))),
    el('span', { class: 'snippet-text' }, said(s.text, s.marks))));
}

function missing(c) {
  const rows = Object.entries(c.parts).filter(([, state]) => state === 'pending' || state === 'lost');
  return rows.length > 0 && el('ul', { class: 'tags' }, rows.map(([part, state]) => el('li', { class: 'tag tag-' + state }, `${Word(part)} ${state === 'lost' ? 'lost' : 'to come'}`)));
}

// key moves through the results.
export function key(e) {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[e.key];
  if (!step || !parts) return;
  const links = [...parts.list.querySelectorAll('a.open')];
  if (!links.length) return;
  e.preventDefault();
  const at = links.indexOf(document.activeElement?.closest('.result')?.querySelector('a.open'));
  if (at === 0 && step < 0) return box.focus();
  const to = links[at < 0 ? 0 : Math.min(links.length - 1, at + step)];
  to.focus({ preventScroll: true });
  to.closest('.result').scrollIntoView({ block: 'nearest' });
}

document.addEventListener('click', (e) => {
  const link = e.target.closest?.('.result')?.querySelector('a.open');
  if (link) opened = link.dataset.key;
});
