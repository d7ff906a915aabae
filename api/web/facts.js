// What stands beside a conversation: the parts of the call, what the vendor
// says about it, and the versions that were seen.

import { callPath, get } from './api.js';
import { el, icon, plain, said } from './dom.js';
import { bytes, count, exact, length, many, moment, since, word, Word } from './format.js';
import { failed } from './notice.js';

const SIGNS = { stored: 'check', pending: 'wait', lost: 'cross', none: 'minus' };
const STATES = { stored: 'stored', pending: 'to come', lost: 'lost', none: 'there is none' };

function panel(title, id, ...children) {
  return el('section', { class: 'panel', 'aria-labelledby': id }, el('h2', { id }, title), children);
}

export function parts(call) {
  return panel('Parts', 'parts-title', el('ul', { class: 'parts' }, Object.entries(call.part_details).map(([name, p]) =>
    el('li', { class: 'part part-' + p.state }, icon(SIGNS[p.state], 16),
      el('div', {}, el('p', {}, el('strong', {}, Word(name)), ' ', STATES[p.state]),
        partWords(call, name, p).map((line) => el('p', { class: 'quiet' }, line)))))));
}

function partWords(call, name, p) {
  const out = [];
  if (p.reason && p.state !== 'stored') out.push(plain(Word(p.reason)));
  if (p.next_try) out.push(`Asked for again ${since(p.next_try)}`);
  if (p.deadline) out.push(`Would be lost ${since(p.deadline)}`);
  if (p.attempts && p.state !== 'stored') out.push(`${many(p.attempts, 'attempt')} so far`);
  if (p.acknowledged) out.push(`Accepted ${moment(p.acknowledged.at)}: ${plain(p.acknowledged.reason)}`);
  const r = call.recording;
  if (name === 'recording' && r?.file) {
    out.push([r.content_type, r.size_bytes !== null && bytes(r.size_bytes), r.duration_seconds !== null && length(r.duration_seconds)].filter(Boolean).map((x) => plain(x)).join(', '));
    if (r.sha256) out.push(el('span', { title: r.sha256 }, 'SHA-256 ', el('code', {}, r.sha256.slice(0, 12) + '…')));
  }
  return out;
}

export function about(call) {
  const time = (t) => t && el('time', { datetime: t, title: exact(t) }, moment(t));
  const rows = [
    ['Started', call.started_at && [time(call.started_at), call.started_at_approximate && ' (about)']],
    ['Ended', time(call.ended_at)],
    ['Length', call.duration_seconds !== null && length(call.duration_seconds)],
    ['Result', call.outcome && said(call.outcome)],
    ['Sentiment', call.sentiment_label && Word(call.sentiment_label) + (call.sentiment_score === null ? '' : ` (${call.sentiment_score})`)],
    ['Phone', call.phone && said(call.phone)],
    ['From', call.from_number && said(call.from_number)],
    ['To', call.to_number && said(call.to_number)],
    ['Contact', call.contact_name && said(call.contact_name)],
    ['Email', call.contact_email && said(call.contact_email)],
    ['Agent', call.agent_name && said(call.agent_name)],
    ['Agent’s id', call.agent_id && said(call.agent_id)],
    ['Campaign', call.campaign_name && said(call.campaign_name)],
    ['Cost', call.cost !== null && `${call.cost} ${plain(call.cost_currency ?? '')}`],
    ['Source', [said(call.source), el('span', { class: 'quiet' }, ` (${plain(call.provider)})`)]],
    ['Key', el('code', {}, said(call.key))],
    ['First seen', time(call.first_seen_at)],
    ['Changed', time(call.changed_at)],
    ...Object.entries(call.metadata ?? {}).map(([name, value]) => [said(word(name)), said(typeof value === 'string' ? value : JSON.stringify(value))]),
  ];
  return panel('About this call', 'about-title', el('dl', { class: 'about' }, rows.filter(([, value]) => value).map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))));
}

export function versions(call) {
  const body = el('div', {});
  const box = el('details', { class: 'versions' }, el('summary', {}, many(call.version, 'version')), body);
  const load = async () => {
    body.replaceChildren(el('p', { class: 'quiet' }, 'Loading'));
    try {
      const { versions: list } = await get(callPath(call.source, call.id), { fields: 'light', include: ['versions'] });
      body.replaceChildren(
        el('ol', { class: 'version-list' }, list.toReversed().map((v) => el('li', {},
          el('p', {}, el('strong', {}, `Version ${count(v.version)}`), ' ', el('time', { datetime: v.observed_at, title: exact(v.observed_at) }, moment(v.observed_at))),
          el('p', { class: 'quiet' }, Object.entries(v.documents).map(([name, d]) => plain(name) + (d.status ? ` (${d.status})` : '')).join(', ')),
          el('p', { class: 'quiet' }, el('code', {}, plain(v.fingerprint).slice(0, 16)))))),
        el('p', { class: 'quiet' }, 'The vendor’s own bytes of each: ', el('code', {}, plain(`callsyncd show --raw --versions '${call.key.replaceAll("'", "'\\''")}'`))));
    } catch (error) {
      body.replaceChildren(failed(error, load, 'h3'));
    }
  };
  box.addEventListener('toggle', load, { once: true });
  return panel('History', 'versions-title', box);
}
