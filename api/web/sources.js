// The view of the sources: for each, whether completeness is proved, what it
// holds, what is missing, and how its request budget stands.

import { get, post } from './api.js';
import { announce, coded, el, plain, said } from './dom.js';
import { bytes, count, exact, many, minutes, since, Word } from './format.js';
import { failed, sentence, skeleton } from './notice.js';

let view;

export async function enter(root) {
  view = root;
  document.title = 'Sources · callsyncd';
  view.replaceChildren(el('h1', {}, 'Sources'), skeleton(3, 'card'));
  window.scrollTo(0, 0);
  await load();
}

async function load() {
  try {
    const status = await get('/v1/status');
    view.replaceChildren(el('h1', {}, 'Sources'), verdict(status), el('div', { class: 'cards' }, status.sources.map(card)), index(status));
    announce(status.green ? 'Everything is complete' : 'Not everything is complete');
  } catch (error) {
    if (error.kind === 'session') throw error;
    view.replaceChildren(el('h1', {}, 'Sources'), failed(error, load));
  }
}

function verdict(status) {
  if (status.green) return el('p', { class: 'verdict good' }, 'Complete: everything the vendors list is stored, and that was proved.');
  return el('div', { class: 'verdict bad' }, el('p', {}, 'Completeness is not proved yet.'),
    status.problems.length > 0 && el('ul', {}, status.problems.map((p) => el('li', {}, coded(sentence(p, status.sources.map((s) => s.name)))))));
}

function card(s) {
  const c = s.counts;
  const title = 'source-' + s.name;
  return el('section', { class: 'card', 'aria-labelledby': title },
    el('div', { class: 'card-head' },
      el('h2', { id: title }, said(s.name)),
      el('span', { class: 'badge badge-' + (s.green ? 'good' : s.state === 'refused' ? 'bad' : 'wait') }, s.green ? 'Complete' : s.state === 'refused' ? 'Credentials refused' : s.state === 'syncing' ? 'Syncing' : 'Incomplete')),
    el('p', { class: 'quiet' }, plain(s.provider), s.last_complete_walk ? [', walked completely ', el('time', { datetime: s.last_complete_walk, title: exact(s.last_complete_walk) }, since(s.last_complete_walk))] : ', never walked completely yet'),
    s.problems.length > 0 && el('ul', { class: 'problems' }, s.problems.map((p) => el('li', {}, coded(sentence(p, [s.name]))))),
    held(s),
    el('dl', { class: 'numbers' },
      number('Transcripts', count(c.transcripts)),
      number('Recordings', count(c.recordings), bytes(c.recording_bytes)),
      number('To come', missing(c.pending, s.name, 'pending')),
      number('Lost', missing(c.lost, s.name, 'lost'), c.acknowledged ? `${count(c.acknowledged)} accepted` : null)),
    s.minutes_to_next_loss !== null && el('p', { class: 'fuse' }, s.minutes_to_next_loss > 0 ? `The next part would be lost in ${minutes(s.minutes_to_next_loss)}.` : 'A part is past its deadline.'),
    s.budget.map((b) => budget(b)),
    el('p', { class: 'card-foot' }, wake(s)));
}

function held(s) {
  const { calls } = s.counts;
  if (s.vendor_total === null) return el('p', { class: 'held' }, el('strong', {}, count(calls)), ' ', calls === 1 ? 'call' : 'calls');
  return el('div', { class: 'held' }, el('p', {}, el('strong', {}, count(calls)), ` of ${many(s.vendor_total, 'call')} the vendor counts`),
    el('progress', { max: Math.max(s.vendor_total, 1), value: Math.min(calls, s.vendor_total), 'aria-label': `Calls stored of ${plain(s.name)}` }));
}

function number(label, value, more = null) {
  return el('div', {}, el('dt', {}, label), el('dd', {}, value, more && el('span', { class: 'quiet' }, more)));
}

const PLURALS = { record: 'records', transcript: 'transcripts', summary: 'summaries', recording: 'recordings' };

function missing(byPart, source, state) {
  const rows = Object.entries(byPart).filter(([, n]) => n > 0).map(([part, n]) => many(n, part, PLURALS[part]));
  if (!rows.length) return '0';
  return el('a', { href: `#/gaps?source=${encodeURIComponent(source)}&state=${state}` },
    rows.map((row) => el('span', { class: 'part-count' }, row)), el('span', { class: 'hidden' }, ` ${state === 'lost' ? 'lost' : 'to come'} in ${plain(source)}`));
}

function budget(b) {
  const label = `${count(b.used)} of ${count(b.requests)} requests per ${b.per_seconds === 60 ? 'minute' : b.per_seconds === 3600 ? 'hour' : b.per_seconds === 86400 ? 'day' : `${b.per_seconds} s`} used`;
  return el('div', { class: 'budget' }, el('p', { class: 'quiet' }, label), el('progress', { max: Math.max(b.requests, 1), value: b.used, 'aria-label': label }));
}

function wake(s) {
  const said = el('span', { class: 'quiet', role: 'status' });
  const button = el('button', { type: 'button', class: 'button quiet', 'aria-label': `Sync now: ${plain(s.name)}` }, 'Sync now');
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      await post('/v1/sync', { source: s.name });
      said.textContent = ' Woken. New calls appear by themselves.';
    } catch (error) {
      said.textContent = ' ' + sentence(error.message);
      button.disabled = false;
    }
  });
  return [button, said];
}

function index(status) {
  const { state, documents, lag, message } = status.index;
  const words = state === 'ready' ? `The full-text index holds ${many(documents, 'call')}${lag ? `, ${many(lag, 'change')} behind` : ' and is up to date'}.` : `The full-text index is ${Word(state).toLowerCase()}${message ? ': ' + message : ''}.`;
  return el('p', { class: 'quiet colophon' }, coded(words), ` callsyncd ${plain(status.version)}, running since `, el('time', { datetime: status.started_at, title: exact(status.started_at) }, since(status.started_at)), '. ', el('a', { href: '#/gaps' }, 'Everything that is missing'));
}

export function key(e) {
  if (e.key === 'Escape') location.hash = '#/';
}
