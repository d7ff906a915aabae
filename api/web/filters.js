// The filters beside the results: a date range, facets with their counts, and
// the parts a call must have.

import { el, plain } from './dom.js';
import { count, Word } from './format.js';

const FACETS = { source: 'Source', agent: 'Agent', campaign: 'Campaign', direction: 'Direction', status: 'Status', sentiment: 'Sentiment' };
const OURS = ['direction', 'status', 'sentiment']; // values that are our own words
const HAS = { recording: 'A recording', transcript: 'A transcript', summary: 'A summary' };
const FEW = 6;

export class Filters {
  // changed is called with the new value after every change by the person.
  constructor(changed) {
    this.changed = changed;
    this.state = {}; // lists by name, and sort, from, to
    this.known = {}; // counts by facet
    this.wide = new Set(); // facets shown in full
    this.from = this.date('from', 'From');
    this.to = this.date('to', 'To');
    this.groups = Object.fromEntries(Object.entries(FACETS).map(([name, title]) => [name, el('fieldset', { class: 'facet', 'data-facet': name }, el('legend', {}, title), bones())]));
    this.root = el('section', { class: 'filters', id: 'filters', 'aria-label': 'Filters' },
      el('fieldset', { class: 'dates' }, el('legend', {}, 'When'),
        el('div', { class: 'presets' }, [['7 days', 7], ['30 days', 30], ['Year', 365]].map(([label, days]) => el('button', { type: 'button', class: 'preset', 'data-days': days, on: { click: () => this.last(days) } }, label))),
        this.from.label, this.to.label),
      Object.values(this.groups),
      el('fieldset', { class: 'facet' }, el('legend', {}, 'Must have'), Object.entries(HAS).map(([value, label]) => this.tick('has', value, label))));
  }

  date(name, label) {
    const input = el('input', { type: 'date', id: 'date-' + name, on: { change: () => this.set(name, input.value) } });
    return { input, label: el('label', { class: 'date', for: input.id }, el('span', {}, label), input) };
  }

  tick(name, value, label, n = null) {
    const chosen = this.state[name]?.includes(value) ?? false;
    const input = el('input', { type: 'checkbox', 'data-name': name, value, on: { change: () => this.toggle(name, value) } });
    input.checked = chosen;
    return el('label', { class: 'tick' }, input, el('span', { class: 'tick-label' }, el('bdi', {}, plain(label))), n !== null && el('span', { class: 'tick-count' }, count(n)));
  }

  // read takes the state from an address.
  read(query) {
    this.state = {};
    for (const name of [...Object.keys(FACETS), 'has']) {
      const values = query.getAll(name).map((v) => v.replace(/\\([\\,])/g, '$1'));
      if (values.length) this.state[name] = values;
    }
    for (const name of ['sort', 'from', 'to']) if (query.get(name)) this.state[name] = query.get(name);
    this.from.input.value = this.state.from ?? '';
    this.to.input.value = this.state.to ?? '';
    for (const input of this.root.querySelectorAll('input[type=checkbox]')) {
      input.checked = this.state[input.dataset.name]?.includes(input.value) ?? false;
    }
    for (const button of this.root.querySelectorAll('.preset')) {
      button.setAttribute('aria-pressed', this.state.from === daysAgo(Number(button.dataset.days)) && !this.state.to);
    }
  }

  value() {
    return structuredClone(this.state);
  }

  names() {
    return [...Object.keys(FACETS), 'month'];
  }

  // chosen are the facets with a filter: their other values are alternatives,
  // to be counted without it.
  chosen() {
    return Object.keys(FACETS).filter((name) => this.state[name]);
  }

  // parameters are the filters as the API takes them, but for one name. The
  // days of the date fields begin at midnight here.
  parameters(without) {
    const { from, to, ...rest } = this.value();
    delete rest[without];
    if (from) rest.from = midnight(from, 0);
    if (to) rest.to = midnight(to, 1);
    return rest;
  }

  set(name, value) {
    if (value) this.state[name] = value;
    else delete this.state[name];
    this.changed(this.value());
  }

  toggle(name, value) {
    const values = new Set(this.state[name] ?? []);
    if (!values.delete(value)) values.add(value);
    if (values.size) this.state[name] = [...values];
    else delete this.state[name];
    this.changed(this.value());
  }

  range(from, to) {
    this.state.from = from;
    this.state.to = to;
    this.changed(this.value());
  }

  last(days) {
    const from = daysAgo(days);
    const off = this.state.from === from && !this.state.to;
    delete this.state.to;
    this.set('from', off ? '' : from);
  }

  clear() {
    const { sort } = this.state;
    this.changed(sort ? { sort } : {});
  }

  // active lists the filters in force, each with a way to take it off.
  active() {
    const out = [];
    for (const [name, title] of [...Object.entries(FACETS), ['has', 'Has']]) {
      for (const value of this.state[name] ?? []) {
        out.push({ label: `${title}: ${name in FACETS && !OURS.includes(name) ? value : Word(value)}`, remove: () => this.toggle(name, value) });
      }
    }
    for (const [name, title] of [['from', 'From'], ['to', 'To']]) {
      if (this.state[name]) out.push({ label: `${title} ${this.state[name]}`, remove: () => this.set(name, '') });
    }
    return out;
  }

  // counts shows new counts of some facets, but for those left out.
  counts(facets, except = []) {
    for (const [name, values] of Object.entries(facets)) {
      if (!(name in FACETS) || except.includes(name)) continue;
      this.known[name] = [...values];
      for (const value of this.state[name] ?? []) {
        if (!values.some((v) => v.value === value)) this.known[name].push({ value, count: 0 });
      }
      this.draw(name);
    }
  }

  // draw shows the counts of a facet. While its values stay the same they keep
  // their places, so that nothing moves under the pointer.
  draw(name) {
    const group = this.groups[name];
    const values = this.known[name];
    const wide = this.wide.has(name) || values.length <= FEW + 1;
    const shown = wide ? values : values.filter((v, i) => i < FEW || this.state[name]?.includes(v.value));
    group.hidden = values.length === 0;
    const ticks = new Map([...group.querySelectorAll('input')].map((input) => [input.value, input.closest('.tick')]));
    if (ticks.size === shown.length && shown.every((v) => ticks.has(v.value)) && wide === !group.querySelector('.link')) {
      for (const v of shown) ticks.get(v.value).querySelector('.tick-count').textContent = count(v.count);
      return;
    }
    const held = group.contains(document.activeElement) ? document.activeElement.value : null;
    group.replaceChildren(el('legend', {}, FACETS[name]),
      ...shown.map((v) => this.tick(name, v.value, OURS.includes(name) ? Word(v.value) : v.value, v.count)));
    if (!wide) {
      group.append(el('button', { type: 'button', class: 'link', on: { click: () => this.widen(name) } }, `${values.length - shown.length} more`));
    }
    if (held !== null) [...group.querySelectorAll('input')].find((input) => input.value === held)?.focus();
  }

  widen(name) {
    this.wide.add(name);
    this.draw(name);
    this.groups[name].querySelectorAll('input')[FEW]?.focus();
  }
}

function bones() {
  return [1, 2, 3].map(() => el('div', { class: 'bone bone-tick', 'aria-hidden': 'true' }));
}

function daysAgo(n) {
  const t = new Date();
  t.setDate(t.getDate() - n);
  return dateOf(t);
}

// dateOf is the local date of a moment, as date fields write it.
export function dateOf(t) {
  return `${t.getFullYear()}-${String(t.getMonth() + 1).padStart(2, '0')}-${String(t.getDate()).padStart(2, '0')}`;
}

// midnight is the local beginning of a date, some days later, in UTC.
function midnight(date, days) {
  const [y, m, d] = date.split('-').map(Number);
  return new Date(y, m - 1, d + days).toISOString();
}
