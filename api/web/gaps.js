// The view of the gaps: every part that is not stored, why, and what happens
// next. A loss can be accepted here, with a reason that is kept.

import { get, keyLink, post } from './api.js';
import { announce, el, plain, said } from './dom.js';
import { count, exact, many, moment, since, Word } from './format.js';
import { failed, sentence, skeleton } from './notice.js';

const ENOUGH = 50; // rows to show at once
let view, query, rows, cursor, total;

export async function enter(root, parameters) {
  view = root;
  query = parameters;
  rows = [];
  cursor = '';
  document.title = 'Missing parts · callsyncd';
  view.replaceChildren(el('h1', {}, 'Missing parts'), skeleton(6, 'line'));
  window.scrollTo(0, 0);
  await load();
}

// load reads on until there are enough rows of the wanted state; the API
// tells them apart only by source.
async function load() {
  const mine = rows; // another choice, made while an answer is under way, begins rows of its own
  try {
    const state = query.get('state');
    const wanted = rows.length + ENOUGH;
    while (cursor !== null && rows.length < wanted) {
      const answer = await get('/v1/gaps', { source: query.get('source'), limit: 200, cursor });
      if (rows !== mine) return;
      rows.push(...answer.data.filter((g) => !state || g.state === state));
      cursor = answer.pagination.next_cursor;
      total = answer.pagination.total;
    }
    draw();
  } catch (error) {
    if (error.kind === 'session') throw error;
    if (rows !== mine) return;
    view.replaceChildren(el('h1', {}, 'Missing parts'), failed(error, load));
  }
}

function draw() {
  view.replaceChildren(
    el('h1', {}, 'Missing parts'),
    el('p', { class: 'quiet' }, 'Every part of a call that should be here and is not, and what happens next.'),
    choices(),
    rows.length ? table() : el('div', { class: 'explain' }, el('h2', {}, 'Nothing is missing'), el('p', {}, 'No part of this kind is to come or lost. ', el('a', { href: '#/sources' }, 'See the sources'), '.')),
    el('p', { class: 'foot' }, cursor !== null && el('button', { type: 'button', class: 'button', on: { click: load } }, 'Show more')));
  announce(many(rows.length, 'missing part'));
}

function choices() {
  const link = (state, label) => {
    const p = new URLSearchParams(query);
    if (state) p.set('state', state);
    else p.delete('state');
    return el('li', {}, el('a', { class: 'choice', href: '#/gaps?' + p, 'aria-current': (query.get('state') ?? '') === state ? 'true' : null }, label));
  };
  const p = new URLSearchParams(query);
  p.delete('source');
  return el('ul', { class: 'choices', 'aria-label': 'Which' }, link('', `All${query.get('state') ? '' : ` (${count(total)})`}`), link('pending', 'To come'), link('lost', 'Lost'),
    query.get('source') && el('li', {}, el('a', { class: 'chip', href: '#/gaps?' + p, 'aria-label': `Remove filter source ${plain(query.get('source'))}` }, 'Source: ', said(query.get('source')), ' ×')));
}

function table() {
  return el('div', { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': 'Missing parts' }, el('table', { class: 'gaps', role: 'table' },
    el('thead', {}, el('tr', {}, ['Call', 'Part', 'State', 'Why', 'What happens'].map((h) => el('th', { scope: 'col' }, h)))),
    el('tbody', {}, rows.map(line))));
}

function line(g) {
  const cell = el('td', { role: 'cell' }, future(g));
  if (g.state === 'lost' && !g.acknowledged) cell.append(accept(g, cell));
  return el('tr', { role: 'row' },
    el('td', { role: 'cell' }, el('a', { href: keyLink(g.key) }, said(g.key))),
    el('td', { role: 'cell' }, Word(g.part)),
    el('td', { role: 'cell' }, el('span', { class: 'tag tag-' + g.state }, g.state === 'lost' ? 'Lost' : 'To come')),
    el('td', { role: 'cell' }, g.reason ? plain(Word(g.reason)) : 'Not known', g.attempts > 0 && el('span', { class: 'quiet' }, `, ${many(g.attempts, 'attempt')}`)),
    cell);
}

function future(g) {
  if (g.acknowledged) return [`Accepted ${moment(g.acknowledged.at)}: `, said(g.acknowledged.reason)];
  const time = (t, words) => el('span', { title: exact(t) }, `${words} ${since(t)}`);
  const out = [];
  if (g.next_try) out.push(time(g.next_try, 'asked for again'));
  if (g.deadline) out.push(time(g.deadline, g.state === 'lost' ? 'was lost' : 'would be lost'));
  return out.flatMap((node, i) => (i ? [', ', node] : [node]));
}

// accept is a button that unfolds to a line for the reason.
function accept(g, cell) {
  const button = el('button', { type: 'button', class: 'button quiet', 'aria-label': `Accept the loss of the ${g.part} of ${plain(g.key)}` }, 'Accept the loss');
  button.addEventListener('click', () => {
    const input = el('input', { type: 'text', required: true, maxlength: 1000, 'aria-label': 'Why the loss is accepted', placeholder: 'Why it is accepted' });
    const form = el('form', { class: 'accept' }, input, el('button', { class: 'button' }, 'Accept'));
    form.addEventListener('submit', async (e) => {
      e.preventDefault();
      try {
        await post('/v1/gaps/ack', { key: g.key, part: g.part, reason: input.value });
        cell.replaceChildren('Accepted just now: ', said(input.value));
        announce('Accepted');
      } catch (error) {
        input.setCustomValidity(sentence(error.message));
        input.reportValidity();
        input.addEventListener('input', () => input.setCustomValidity(''), { once: true });
      }
    });
    button.replaceWith(form);
    input.focus();
  });
  return button;
}

export function key(e) {
  if (e.key === 'Escape') location.hash = '#/sources';
}
