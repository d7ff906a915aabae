// The player: a native audio element under controls of our own, with the
// speakers of the call drawn along the time line.

import { el, icon, svg } from './dom.js';
import { offset, spoken } from './format.js';

const SPEEDS = [0.75, 1, 1.25, 1.5, 2];
let speed = 1; // kept from call to call

export class Player {
  // turns may be without times. moved is called as the sound goes on.
  constructor({ src, seconds, turns, moved }) {
    this.seconds = seconds ?? 0;
    this.turns = turns;
    this.moved = moved;
    this.audio = el('audio', { preload: 'metadata', src });
    this.button = el('button', { type: 'button', class: 'play', on: { click: () => this.toggle() } });
    this.time = el('span', { class: 'player-time' });
    this.range = el('input', { type: 'range', class: 'player-range', 'aria-label': 'Position in the recording', min: 0, step: 0.1, value: 0, on: { input: () => this.seek(Number(this.range.value)) } });
    this.lane = svg('svg', { class: 'lane', 'aria-hidden': 'true', preserveAspectRatio: 'none' });
    this.speed = el('select', { class: 'speed', 'aria-label': 'Speed', on: { change: () => this.setSpeed(Number(this.speed.value)) } },
      SPEEDS.map((s) => el('option', { value: s, selected: s === speed }, `${s}×`)));
    this.problem = el('p', { class: 'player-problem', role: 'alert', hidden: true });
    this.root = el('section', { class: 'player', 'aria-label': 'Recording' }, this.audio,
      this.button,
      el('div', { class: 'player-track' }, this.lane, this.range),
      this.time, this.speed,
      el('a', { class: 'plain', href: src, download: true, 'aria-label': 'Download the recording', title: 'Download' }, icon('download', 20)),
      this.problem);
    this.listen();
    this.setSpeed(speed);
    this.draw();
    this.button.replaceChildren(icon('play', 22));
    this.button.setAttribute('aria-label', 'Play');
  }

  listen() {
    const on = (event, fn) => this.audio.addEventListener(event, fn);
    on('loadedmetadata', () => {
      if (Number.isFinite(this.audio.duration)) this.seconds = this.audio.duration;
      this.draw();
    });
    on('timeupdate', () => this.tick());
    on('seeked', () => this.tick());
    on('play', () => this.state(true));
    on('pause', () => this.state(false));
    on('error', () => {
      this.problem.hidden = false;
      this.problem.textContent = 'The browser cannot play this recording. It can be downloaded.';
    });
  }

  state(playing) {
    this.button.replaceChildren(icon(playing ? 'pause' : 'play', 22));
    this.button.setAttribute('aria-label', playing ? 'Pause' : 'Play');
    this.root.classList.toggle('playing', playing);
  }

  // draw lays the turns along the whole length.
  draw() {
    const length = Math.max(this.seconds, 0.1);
    this.range.max = length;
    this.lane.setAttribute('viewBox', `0 0 ${length} 10`);
    const timed = this.turns.filter((t) => t.start_seconds !== null);
    this.lane.replaceChildren(...timed.map((t, i) => {
      const end = t.end_seconds > t.start_seconds ? t.end_seconds : timed[i + 1]?.start_seconds ?? length;
      const agent = t.speaker === 'agent';
      return svg('rect', { class: 'lane-' + t.speaker, x: t.start_seconds, y: agent ? 0.6 : 5.4, width: Math.max(0, end - t.start_seconds), height: 4 });
    }));
    this.tick();
  }

  tick() {
    const at = this.audio.currentTime;
    this.range.value = at;
    this.range.setAttribute('aria-valuetext', `${spoken(at)} of ${spoken(this.seconds)}`);
    this.range.style.setProperty('--done', `${(100 * at) / Math.max(this.seconds, 0.1)}%`);
    this.time.replaceChildren(offset(at), el('span', { class: 'quiet' }, ` / ${offset(this.seconds)}`));
    this.moved(at, !this.audio.paused);
  }

  toggle() {
    if (this.audio.paused) this.play();
    else this.audio.pause();
  }

  play() {
    this.audio.play().catch((error) => {
      if (error.name !== 'AbortError') this.audio.dispatchEvent(new Event('error'));
    });
  }

  seek(seconds, andPlay = false) {
    this.audio.currentTime = Math.min(Math.max(0, seconds), Math.max(0, this.seconds));
    if (andPlay) this.play();
  }

  skip(seconds) {
    this.seek(this.audio.currentTime + seconds);
  }

  setSpeed(s) {
    speed = s;
    this.audio.playbackRate = s;
    this.audio.defaultPlaybackRate = s;
  }

  stop() {
    this.audio.pause();
    this.audio.removeAttribute('src');
    this.audio.load(); // gives up the connection
  }
}
