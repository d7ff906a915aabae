// What is shown when there is nothing to show, and what to do about it.

import { coded, el } from './dom.js';

function command(text) {
  const button = el('button', { type: 'button', class: 'button quiet' }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Select and copy it';
    }
  });
  return el('div', { class: 'command' }, el('code', {}, text), button);
}

// explain is a box with a heading, sentences and perhaps a command to run and
// a way to try again.
export function explain({ title, text, run, retry, level = 'h2' }) {
  return el('div', { class: 'explain' },
    el(level, {}, title),
    text && el('p', {}, coded(text)),
    run && command(run),
    retry && el('p', {}, el('button', { type: 'button', class: 'button', on: { click: retry } }, 'Try again')));
}

// failed explains a Problem.
export function failed(problem, retry, level) {
  const say = (title, text, run) => explain({ title, text, run, retry, level });
  switch (problem.kind) {
    case 'session':
      return say('This browser is not let in yet', 'A session ends after twelve hours without use, and when the daemon is restarted. On the machine callsyncd runs on, open a new one in a terminal:', 'callsyncd open');
    case 'offline':
      return say('The daemon does not answer', 'Nothing is lost: what was stored is on the disk. See whether it runs:', 'callsyncd service status');
    case 'busy':
      return say('Not just now', sentence(problem.message));
    case 'missing':
      return say('Not in this archive', 'Nothing is stored at this address. It may have been copied in part; search for the call instead.');
    case 'query':
      return explain({ title: 'This search cannot be read', text: sentence(problem.message), level });
    default:
      return say('That did not work', sentence(problem.message));
  }
}

// sentence completes what the daemon says. The names of sources, with which it
// may begin, are keys: they stay as they are.
export function sentence(s, names = []) {
  const text = names.some((name) => s.startsWith(name + ': ')) ? s : s.charAt(0).toUpperCase() + s.slice(1);
  return /[.!?]$/.test(text) ? text : text + '.';
}

// skeleton is n grey rows of the height the real ones will have.
export function skeleton(n, kind) {
  return el('div', { class: 'skeleton', 'aria-hidden': 'true' }, Array.from({ length: n }, () => el('div', { class: 'bone bone-' + kind })));
}
