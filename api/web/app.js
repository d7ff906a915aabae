// The page: which view is shown, the state of the archive in the header, the
// theme, and the keys that work everywhere.

import { get, post, Problem } from './api.js';
import { announce, icon } from './dom.js';
import { count } from './format.js';
import { explain, failed } from './notice.js';
import * as callView from './call.js';
import * as gapsView from './gaps.js';
import * as searchView from './search.js';
import * as sourcesView from './sources.js';

const byId = (id) => document.getElementById(id);
const views = { search: searchView, call: callView, sources: sourcesView, gaps: gapsView };
let shown = null;

// stop shows a problem instead of a view. Views report theirs with
// an event, so that none of them needs to know this module.
function stop(problem) {
  show('stop');
  const box = problem instanceof Problem ? failed(problem, () => location.reload(), 'h1')
    : explain({ title: 'Something in this page broke', text: String(problem?.message ?? problem), retry: () => location.reload(), level: 'h1' });
  byId('view-stop').replaceChildren(box);
  announce(box.firstChild.textContent);
}

document.addEventListener('callsyncd:stop', (e) => stop(e.detail));

function show(name) {
  if (shown && shown !== name) views[shown]?.leave?.();
  shown = name;
  for (const view of document.querySelectorAll('.view')) view.hidden = view.id !== 'view-' + name;
  for (const link of document.querySelectorAll('.tools a')) {
    link.toggleAttribute('aria-current', name === 'sources' && link.id === 'state');
  }
}

// route reads the address: #/ for the search, #/call/SOURCE/ID, #/sources,
// #/gaps, each with its own parameters.
async function route() {
  const [path, parameters = ''] = location.hash.slice(1).split('?', 2);
  const [, first = '', ...rest] = path.split('/');
  const query = new URLSearchParams(parameters);
  const name = { '': 'search', call: 'call', sources: 'sources', gaps: 'gaps' }[first];
  try {
    if (!name) return location.replace('#/');
    const from = shown;
    show(name);
    await views[name].enter(byId('view-' + name), query, rest.map(decodeURIComponent), from);
  } catch (error) {
    if (error.name !== 'AbortError') stop(error);
  }
}

// arrive exchanges the fragment of a one-time link for a session. The
// fragment is taken out of the address first, so that it is not kept.
async function arrive() {
  const token = location.hash.slice(1);
  if (!token || token.startsWith('/')) return;
  history.replaceState(null, '', '/');
  try {
    await post('/v1/session', { token });
  } catch (error) {
    // An old link in a browser that is let in already does no harm.
    if (error.kind !== 'session') throw error;
  }
}

async function watch() {
  if (!document.hidden) {
    try {
      headline(await get('/v1/status'));
    } catch (error) {
      paint('unknown', error.kind === 'offline' ? 'No answer' : 'Archive');
    }
  }
  setTimeout(watch, 30000);
}

function headline(status) {
  const missing = status.sources.reduce((n, s) => n + Object.values(s.counts.pending).concat(Object.values(s.counts.lost)).reduce((a, b) => a + b, 0), 0);
  const lost = status.sources.reduce((n, s) => n + Object.values(s.counts.lost).reduce((a, b) => a + b, 0), 0);
  if (status.green) return paint('good', 'Complete');
  if (lost) return paint('bad', `${count(lost)} lost`);
  if (missing) return paint('wait', `${count(missing)} to come`);
  paint('bad', 'Not proved');
}

function paint(state, text) {
  byId('state').dataset.state = state;
  byId('state').setAttribute('aria-label', `State of the archive: ${text}`);
  byId('state-text').textContent = text;
}

function theme() {
  const button = byId('theme');
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches);
  const draw = () => {
    button.setAttribute('aria-pressed', dark());
    button.title = dark() ? 'Light colours' : 'Dark colours';
    button.replaceChildren(icon(dark() ? 'sun' : 'moon', 20));
  };
  button.addEventListener('click', () => {
    root.dataset.theme = dark() ? 'light' : 'dark';
    try {
      localStorage.setItem('callsyncd-theme', root.dataset.theme);
    } catch { /* storage is switched off: it holds until the page is closed */ }
    draw();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  draw();
}

// inField tells whether a key is meant for the element it is pressed in.
function inField(target) {
  return target.closest('input, textarea, select, dialog, [contenteditable]') !== null;
}

function onKey(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
  if (e.key === 'Escape' && e.target.id === 'q') {
    e.preventDefault(); // browsers would empty the box
    return e.target.blur();
  }
  if (byId('help').open) return;
  if (inField(e.target) && !(e.target.type === 'checkbox' || e.target.type === 'range') && e.key !== 'Escape' && !(e.target.id === 'q' && e.key === 'ArrowDown')) return;
  if (e.key === '/') {
    e.preventDefault();
    byId('q').focus();
    byId('q').select();
  } else if (e.key === '?') {
    byId('help').showModal();
  } else {
    views[shown]?.key?.(e);
  }
}

function start() {
  theme();
  byId('skip').addEventListener('click', (e) => {
    e.preventDefault(); // the fragment is the route
    byId('main').focus();
  });
  byId('help-open').addEventListener('click', () => byId('help').showModal());
  byId('help').addEventListener('click', (e) => { if (e.target === byId('help')) byId('help').close(); });
  document.addEventListener('keydown', onKey);
  searchView.bind(byId('ask'), byId('q'));
  return arrive().then(() => {
    window.addEventListener('hashchange', route);
    watch();
    return route();
  }).catch(stop);
}

start();
