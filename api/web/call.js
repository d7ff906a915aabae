// The view of one call: the conversation, the player under it, and beside it
// what else the archive knows.

import { callPath, get } from './api.js';
import { announce, el, icon, plain, reduced, runes, said } from './dom.js';
import { about, parts, versions } from './facts.js';
import { agentOf, exact, length, moment, nameOf, offset, startOf, Word } from './format.js';
import { failed, skeleton } from './notice.js';
import { Player } from './player.js';
import { address, facts, feeling, found } from './search.js';

let root, call, player, items, playing;
let quietUntil = 0; // no scrolling of ours before: the person scrolls
let loading = new AbortController();

for (const event of ['wheel', 'touchmove']) {
  window.addEventListener(event, () => { quietUntil = Date.now() + 6000; }, { passive: true });
}

export async function enter(view, query, [source, ...rest]) {
  const id = rest.join('/');
  root = view;
  const turn = query.get('turn') === null ? null : Number(query.get('turn'));
  if (call?.source === source && call.id === id && root.hasChildNodes()) return goTo(turn);
  leave();
  loading = new AbortController();
  root.replaceChildren(back(), el('div', { class: 'call-loading' }, skeleton(1, 'title'), skeleton(5, 'turn')));
  window.scrollTo(0, 0);
  try {
    call = await get(callPath(source, id), { include: ['parts'] }, loading.signal);
  } catch (error) {
    if (error.name === 'AbortError' || error.kind === 'session') throw error;
    root.replaceChildren(back(), failed(error, () => enter(view, query, [source, ...rest]), 'h1'));
    return;
  }
  draw();
  goTo(turn ?? found(call.key).find((s) => s.turn !== null)?.turn ?? null);
  announce(document.title);
}

export function leave() {
  loading.abort();
  player?.stop();
  player = null;
  call = null;
  root?.replaceChildren();
}

function back() {
  return el('p', { class: 'back' }, el('a', { href: address() }, icon('back'), 'Results'));
}

function draw() {
  const name = nameOf(call);
  document.title = `${plain(name)}, ${moment(startOf(call))} · callsyncd`;
  const turns = call.transcript ?? [];
  const playable = call.recording?.file;
  player = playable ? new Player({ src: `${callPath(call.source, call.id)}/recording`, seconds: call.recording.duration_seconds ?? call.duration_seconds, turns, moved }) : null;
  const heading = el('h1', { tabindex: '-1' }, said(name));
  playing = -1;
  items = turns.map((t, i) => turnItem(t, i, turns[i - 1]));
  root.replaceChildren(
    back(),
    el('header', { class: 'call-head' }, heading,
      el('p', { class: 'call-line' }, el('span', {}, facts([
        el('time', { datetime: startOf(call), title: exact(startOf(call)) }, (call.started_at_approximate ? 'about ' : '') + moment(startOf(call))),
        call.direction && Word(call.direction), call.status && Word(call.status),
        call.duration_seconds !== null && length(call.duration_seconds),
        agentOf(call) && el('span', {}, 'with ', said(agentOf(call))),
        call.campaign_name && said(call.campaign_name)])), feeling(call)),
      call.deleted_upstream_at && el('p', { class: 'notice' }, `The vendor no longer has this call (seen ${moment(call.deleted_upstream_at)}). It stays here.`)),
    el('div', { class: 'call-columns' },
      el('div', { class: 'call-main' }, summary(), conversation(turns)),
      el('div', { class: 'call-side' }, parts(call), about(call), versions(call))));
  if (player) root.append(player.root);
  heading.focus({ preventScroll: true });
}

function summary() {
  if (!call.summary && !call.topics?.length && !call.note) return null;
  return el('section', { class: 'summary', 'aria-labelledby': 'summary-title' },
    el('h2', { id: 'summary-title' }, 'Summary'),
    call.summary && el('p', { class: 'summary-text' }, said(call.summary)),
    call.topics?.length > 0 && el('ul', { class: 'topics', 'aria-label': 'Topics' }, call.topics.map((t) => el('li', {}, said(t)))),
    call.note && el('p', { class: 'note' }, el('strong', {}, 'Note '), said(call.note)));
}

function conversation(turns) {
  const path = `${callPath(call.source, call.id)}/transcript`;
  const timed = turns.some((t) => t.start_seconds !== null);
  return el('section', { class: 'talk', 'aria-labelledby': 'talk-title' },
    el('div', { class: 'talk-head' }, el('h2', { id: 'talk-title' }, 'Transcript'),
      turns.length > 0 && el('p', { class: 'quiet' }, el('a', { href: path + '?format=txt', download: true }, 'Text'), timed && [' ', el('a', { href: path + '?format=vtt', download: true }, 'Subtitles')])),
    turns.length ? el('ol', { class: 'turns' }, items) : el('p', { class: 'empty' }, without()));
}

function without() {
  switch (call.parts.transcript) {
    case 'pending': return 'The transcript is still to come. It is asked for again by itself; when, is told under Parts.';
    case 'lost': return 'The transcript is lost: the vendor had it or should have had it, and it cannot be had any more.';
    default: return 'There is no transcript of this call, and none is to come.';
  }
}

function turnItem(turn, index, before) {
  const timed = turn.start_seconds !== null;
  const canPlay = timed && player !== null;
  const play = () => {
    quietUntil = 0;
    player.seek(turn.start_seconds, true);
  };
  const onClick = (e) => {
    if (!e.target.closest('button') && !getSelection().toString()) play();
  };
  const same = before && before.speaker === turn.speaker && before.label === turn.label;
  const time = timed && (canPlay ? el('button', { type: 'button', class: 'turn-time', 'aria-label': `Play from ${offset(turn.start_seconds)}`, on: { click: play } }, offset(turn.start_seconds)) : el('span', { class: 'turn-time' }, offset(turn.start_seconds)));
  return el('li', { class: `turn turn-${turn.speaker}${same ? ' same' : ''}${canPlay ? ' can-play' : ''}`, tabindex: '-1', 'data-turn': index },
    el('p', { class: 'turn-head' }, el('span', { class: same ? 'hidden' : 'turn-speaker' }, turn.label ? said(turn.label) : Word(turn.speaker)), time),
    el('div', { class: 'turn-text', on: canPlay ? { click: onClick } : {} }, said(turn.text, marksIn(turn, index))));
}

// marksIn finds what the search marked in a turn. A snippet is a stretch of
// it, so its marks move by where the stretch begins.
function marksIn(turn, index) {
  const marks = [];
  for (const s of found(call.key)) {
    if (s.turn !== index) continue;
    const core = s.text.replace(/^…|…$/g, '');
    const cut = s.text.startsWith('…') && !turn.text.startsWith('…') ? 1 : 0;
    const at = turn.text.indexOf(core);
    if (at < 0) continue;
    const begin = runes(turn.text.slice(0, at)) - cut;
    marks.push(...s.marks.map(([a, b]) => [a + begin, b + begin]));
  }
  return marks.sort((a, b) => a[0] - b[0]);
}

// goTo shows a turn, and lets the player begin there.
function goTo(index) {
  const item = items[index];
  if (!item) return window.scrollTo(0, 0);
  item.scrollIntoView({ block: 'center' });
  item.classList.add('sought');
  setTimeout(() => item.classList.remove('sought'), 2400);
  const start = call.transcript[index].start_seconds;
  if (player && start !== null) player.seek(start);
}

// moved marks the turn that is being heard and keeps it in view.
function moved(at, isPlaying) {
  if (!call?.transcript || !items) return;
  let now = -1;
  call.transcript.forEach((t, i) => {
    if (t.start_seconds !== null && t.start_seconds <= at + 0.05 && (now < 0 || t.start_seconds >= call.transcript[now].start_seconds)) now = i;
  });
  if (at === 0 && !isPlaying) now = -1;
  if (now === playing) return;
  items[playing]?.removeAttribute('aria-current');
  playing = now;
  if (now < 0) return;
  items[now].setAttribute('aria-current', 'true');
  if (isPlaying && Date.now() > quietUntil) keepInView(items[now]);
}

function keepInView(item) {
  const { top, bottom } = item.getBoundingClientRect();
  if (top > 140 && bottom < innerHeight - 220) return;
  item.scrollIntoView({ block: 'center', behavior: reduced() ? 'auto' : 'smooth' });
}

export function key(e) {
  if (e.key === 'Escape') {
    location.hash = address();
    return;
  }
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[e.key];
  const inRange = e.target.type === 'range';
  if (step && items?.length && !inRange) {
    e.preventDefault();
    const at = items.indexOf(e.target.closest('.turn'));
    const to = items[at < 0 ? Math.max(playing, 0) : Math.min(items.length - 1, Math.max(0, at + step))];
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: 'nearest' });
  } else if (!player) {
    return;
  } else if (e.key === ' ' && !e.target.closest('button, summary')) {
    e.preventDefault();
    player.toggle();
  } else if (e.key === 'Enter' && e.target.classList.contains('turn')) {
    e.target.querySelector('button.turn-time')?.click();
  } else if ((e.key === 'ArrowLeft' || e.key === 'ArrowRight') && !inRange) {
    e.preventDefault();
    player.skip(e.key === 'ArrowLeft' ? -5 : 5);
  }
}
