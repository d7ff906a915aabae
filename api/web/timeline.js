// The timeline: bars of calls over time, split by sentiment. While something
// is searched for, the bars are all calls and the filled part is what matches.

import { get } from './api.js';
import { el, svg } from './dom.js';
import { count, many } from './format.js';

const HEIGHT = 92;
const MOST = 240; // periods with calls that are shown, the latest ones
const KINDS = ['positive', 'neutral', 'negative', 'unlabelled'];
const MONTH = new Intl.DateTimeFormat('en-GB', { month: 'short', year: 'numeric', timeZone: 'UTC' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });

export class Timeline {
  // chosen is called with the first and last day of a period.
  constructor(chosen) {
    this.chosen = chosen;
    this.chart = svg('svg', { class: 'chart', role: 'img', 'aria-label': 'Calls over time', height: HEIGHT });
    this.legend = el('p', { class: 'legend' });
    this.ends = el('p', { class: 'ends', 'aria-hidden': 'true' });
    this.table = el('table');
    this.root = el('section', { class: 'timeline', 'aria-label': 'Calls over time' },
      el('div', { class: 'timeline-head' }, this.legend, el('details', { class: 'as-table' }, el('summary', {}, 'Table'), el('div', { class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': 'Calls over time as a table' }, this.table))),
      el('div', { class: 'chart-box' }, this.chart), this.ends);
    this.periods = [];
    // Bars that are drawn anew for nothing would take a click in progress with them.
    new ResizeObserver(() => { if (this.chart.parentElement.clientWidth !== this.width) this.draw(); }).observe(this.root);
  }

  busy(on) {
    this.root.setAttribute('aria-busy', on);
  }

  async load(filters, q, months, signal) {
    const { sort: _, ...parameters } = filters;
    try {
      let answer = await get('/v1/stats', { ...parameters, by: 'month' }, signal);
      const finer = q || answer.data.length > 14 ? null : answer.data.length > 3 ? 'week' : answer.data.length > 0 ? 'day' : null;
      if (finer) answer = await get('/v1/stats', { ...parameters, by: finer }, signal);
      this.show(answer.by, answer.data, q ? new Map((months ?? []).map((m) => [m.value, m.count])) : null);
    } catch (error) {
      if (error.name === 'AbortError' || error.kind === 'session') throw error;
      this.show('month', [], null);
      this.legend.textContent = 'The figures over time cannot be had just now.';
    }
  }

  show(by, data, matches) {
    this.by = by;
    this.matches = matches;
    const rows = new Map(data.map((d) => [d.period, d]));
    this.periods = [];
    if (data.length) {
      const last = data.at(-1).period;
      const first = data.at(-Math.min(data.length, MOST)).period;
      for (let p = first; p <= last; p = step(p, by)) {
        const d = rows.get(p) ?? { calls: 0, positive: 0, neutral: 0, negative: 0 };
        if (this.periods.length === 2 * MOST) this.periods.shift();
        this.periods.push({ period: p, calls: d.calls, positive: d.positive, neutral: d.neutral, negative: d.negative, unlabelled: d.calls - d.positive - d.neutral - d.negative, match: matches?.get(p.slice(0, 7)) ?? 0 });
      }
    }
    this.words();
    this.draw();
  }

  words() {
    const { periods, by, matches } = this;
    const total = periods.reduce((n, p) => n + p.calls, 0);
    const kinds = matches ? ['match', 'other'] : KINDS.filter((k) => periods.some((p) => p[k]));
    const label = { match: 'matches', other: 'other calls', unlabelled: 'no label' };
    this.legend.replaceChildren(el('span', { class: 'legend-title' }, `Calls per ${by ?? 'month'}`),
      ...kinds.map((k) => el('span', { class: 'legend-item legend-' + k }, label[k] ?? k)));
    this.chart.setAttribute('aria-label', periods.length ? `${many(total, 'call')} from ${title(periods[0].period, by)} to ${title(periods.at(-1).period, by)}` : 'No calls');
    this.ends.replaceChildren(...(periods.length > 1 ? [el('span', {}, title(periods[0].period, by)), el('span', {}, title(periods.at(-1).period, by))] : periods.map((p) => el('span', {}, title(p.period, by)))));
    const heads = matches ? ['Calls', 'Matches'] : ['Calls', 'Positive', 'Neutral', 'Negative'];
    const cells = (p) => (matches ? [p.calls, p.match] : [p.calls, p.positive, p.neutral, p.negative]);
    this.table.replaceChildren(el('caption', { class: 'hidden' }, 'Calls over time'),
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Period'), heads.map((h) => el('th', { scope: 'col' }, h)))),
      el('tbody', {}, periods.filter((p) => p.calls).map((p) => el('tr', {}, el('th', { scope: 'row' }, el('button', { type: 'button', class: 'link', on: { click: () => this.choose(p) } }, title(p.period, by))), cells(p).map((n) => el('td', {}, count(n)))))));
  }

  choose(p) {
    const end = new Date(step(p.period, this.by));
    end.setUTCDate(end.getUTCDate() - 1);
    this.chosen(p.period, end.toISOString().slice(0, 10));
  }

  draw() {
    const width = this.chart.parentElement.clientWidth;
    this.width = width;
    if (!width) return;
    this.chart.setAttribute('width', width);
    const most = Math.max(1, ...this.periods.map((p) => p.calls));
    const room = width / Math.max(1, this.periods.length);
    const bar = Math.max(1, Math.min(56, room - Math.max(Math.min(3, room * 0.25), room * 0.15)));
    this.chart.replaceChildren(svg('line', { class: 'base', x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
      ...this.periods.map((p, i) => this.bar(p, i * room + (room - bar) / 2, bar, room * i, room, (HEIGHT - 8) / most)));
  }

  bar(p, x, width, hitX, hitWidth, scale) {
    const group = svg('g', { class: 'bar', on: { click: () => this.choose(p) } },
      svg('title', {}, `${title(p.period, this.by)}: ${many(p.calls, 'call')}${this.matches ? `, ${count(p.match)} match` : ''}`),
      svg('rect', { class: 'bar-hit', x: hitX, y: 0, width: hitWidth, height: HEIGHT }));
    const stack = this.matches ? [['match', p.match], ['other', Math.max(0, p.calls - p.match)]] : ['negative', 'neutral', 'unlabelled', 'positive'].map((k) => [k, p[k]]);
    let y = HEIGHT - 1;
    for (const [kind, n] of stack) {
      const height = n * scale;
      y -= height;
      if (n > 0) group.append(svg('rect', { class: 'bar-' + kind, x, y, width, height: Math.max(0.75, height - 0.75), rx: Math.min(2, width / 4) }));
    }
    return group;
  }
}

function step(period, by) {
  const t = new Date(period);
  if (by === 'day') t.setUTCDate(t.getUTCDate() + 1);
  else if (by === 'week') t.setUTCDate(t.getUTCDate() + 7);
  else t.setUTCMonth(t.getUTCMonth() + 1);
  return t.toISOString().slice(0, 10);
}

function title(period, by) {
  if (by === 'month') return MONTH.format(new Date(period));
  return (by === 'week' ? 'week of ' : '') + DAY.format(new Date(period));
}
