package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"callsyncd/call"
)

// board shows a line for each source while a sync runs. It shows nothing where
// nobody watches.
type board struct {
	w    io.Writer
	on   bool
	ink  paint
	quit chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex // guards what follows
	order []call.SourceID
	last  map[call.SourceID]call.Progress
	drawn int // lines on the screen
}

// startBoard begins to draw; stop ends it.
func (a *app) startBoard() *board {
	b := &board{w: a.stderr, on: a.animated(), ink: paint{a.colored(a.stderr)}, quit: make(chan struct{}), last: map[call.SourceID]call.Progress{}}
	if b.on {
		b.done.Go(b.loop)
	}
	return b
}

// observe takes in a step. It is safe for concurrent use.
func (b *board) observe(p call.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.last[p.Source]; !known {
		b.order = append(b.order, p.Source)
	}
	if p.Counts.Pending == nil { // a step without counts keeps the last ones
		p.Counts = b.last[p.Source].Counts
	}
	b.last[p.Source] = p
}

func (b *board) loop() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-b.quit:
			return
		case <-tick.C:
			b.draw()
		}
	}
}

// draw paints the lines over those of the last time.
func (b *board) draw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out strings.Builder
	out.WriteString(erase(b.drawn))
	for _, name := range b.order {
		out.WriteString(b.line(b.last[name]) + "\n")
	}
	b.drawn = len(b.order)
	_, _ = io.WriteString(b.w, out.String()) // only a picture
}

// erase moves up over so many lines and clears them.
func erase(lines int) string { return strings.Repeat("\x1b[1A\x1b[2K", lines) }

func (b *board) line(p call.Progress) string {
	walked := ""
	switch {
	case p.Total > 0:
		walked = fmt.Sprintf("%s/%s", count(p.Seen), count(p.Total))
	case p.Seen > 0:
		walked = count(p.Seen)
	}
	phase := p.Phase
	if p.Err != nil {
		phase = b.ink.red(phase)
	}
	return fmt.Sprintf("%-12s %-11s %-13s %s, %s, %s pending", clip(safe(string(p.Source)), 12), phase, walked,
		plural(p.Counts.Calls, "call"), plural(p.Counts.Recordings, "recording"), count(sum(p.Counts.Pending)))
}

// stop ends the drawing and clears the lines.
func (b *board) stop() {
	if !b.on {
		return
	}
	close(b.quit)
	b.done.Wait()
	_, _ = io.WriteString(b.w, erase(b.drawn)) // only a picture
	b.on = false
}
