// Numbers, times and the archive's words as people read them. Times are shown
// in the browser's zone.

const LOCALE = navigator.language.startsWith('en') ? navigator.language : 'en-GB';
const COUNT = new Intl.NumberFormat('en');
const DAY = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', year: 'numeric' });
const CLOCK = new Intl.DateTimeFormat(LOCALE, { hour: '2-digit', minute: '2-digit' });
const FULL = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'full', timeStyle: 'long' });
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export const count = (n) => COUNT.format(n);

// many is a number with its noun: "1 call", "14 calls".
export const many = (n, one, more = one + 's') => `${count(n)} ${n === 1 ? one : more}`;

// offset is a place in a recording: 0:42, 1:02:03.
export function offset(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(s / 60) % 60;
  const hours = Math.floor(s / 3600);
  const tail = String(s % 60).padStart(2, '0');
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}

// spoken is the same for the ear.
export function spoken(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(s / 60);
  return minutes ? `${many(minutes, 'minute')} ${many(s % 60, 'second')}` : many(s, 'second');
}

export function length(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function bytes(n) {
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (n < 1000) return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1000;
  }
  return `${n.toFixed(1)} TB`;
}

function dayNumber(t) {
  return Math.floor((t.getTime() - t.getTimezoneOffset() * 60000) / 86400000);
}

export function day(iso) {
  const t = new Date(iso);
  const past = dayNumber(new Date()) - dayNumber(t);
  if (past === 0) return 'Today';
  if (past === 1) return 'Yesterday';
  return DAY.format(t);
}

export const moment = (iso) => `${day(iso)}, ${CLOCK.format(new Date(iso))}`;
export const exact = (iso) => `${FULL.format(new Date(iso))} (${iso})`;

// since is a distance from now: "3 minutes ago", "in 2 hours". It is rounded
// down, so that a deadline is never told as later than it is.
export function since(iso) {
  const s = (new Date(iso) - Date.now()) / 1000;
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (Math.abs(s) >= size) return RELATIVE.format(Math.trunc(s / size), unit);
  }
  return s < 0 ? 'just now' : 'in a moment';
}

// minutes is a stretch of time to come, rounded down.
export function minutes(n) {
  if (n < 1) return 'less than a minute';
  if (n < 120) return many(Math.floor(n), 'minute');
  if (n < 2880) return many(Math.floor(n / 60), 'hour');
  return many(Math.floor(n / 1440), 'day');
}

const WORDS = {
  in_progress: 'in progress', no_answer: 'no answer', web: 'web', none: 'none',
  not_ready: 'not ready yet', http_404: 'the vendor has none', http_410: 'the vendor removed it', expired: 'the link expired',
  not_audio: 'what came was not audio', unanswered: 'nobody answered', horizon: 'it never came in the time allowed', flag: 'the vendor says there is none',
};

// word is one of the archive's own words.
export const word = (s) => WORDS[s] ?? String(s).replaceAll('_', ' ');
export const Word = (s) => word(s).replace(/^./, (c) => c.toUpperCase());

// nameOf is what a call is called by: the person, else the number.
export const nameOf = (c) => c.contact_name ?? c.phone ?? c.contact_email ?? c.from_number ?? c.id;
export const agentOf = (c) => c.agent_name ?? c.agent_id;
export const startOf = (c) => c.started_at ?? c.created_at ?? c.first_seen_at;
