package callsync

import (
	"context"
	"time"

	"callsyncd/call"
)

// maxSkew is how far the vendor's clock may be from ours before the difference
// counts: its Date header is of whole seconds and takes its time to arrive.
const maxSkew = time.Minute

// sawClock notes how far the vendor's clock is from ours.
func (e *Engine) sawClock(vendor time.Time) {
	if vendor.IsZero() {
		return
	}
	e.mu.Lock()
	before := e.skew
	e.skew = e.now().Sub(vendor)
	now := e.skew
	e.mu.Unlock()
	switch {
	case now.Abs() > maxSkew && before.Abs() <= maxSkew:
		e.log.Warn("the vendor's clock differs from this machine's", "ahead_seconds", now.Seconds())
	case now.Abs() <= maxSkew && before.Abs() > maxSkew:
		e.log.Info("the vendor's clock agrees with this machine's again")
	}
}

// Skew is how far this machine's clock was ahead of the vendor's when it last
// answered; negative when behind.
func (e *Engine) Skew() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.skew
}

// sure is the earlier of our clock and the vendor's. Waiting for a part is over
// only by both: a clock set on by mistake must not end it.
func (e *Engine) sure(now time.Time) time.Time {
	if skew := e.Skew(); skew > maxSkew {
		return now.Add(-skew)
	}
	return now
}

// weather is what speaks for waiting for a call's parts.
func (e *Engine) weather(c *call.Call, now time.Time) *weather {
	w := &weather{now: now, sure: e.sure(now), firstSeen: earlier(c.FirstSeenAt, now), end: c.End(), horizon: e.src.Horizon}
	if c.Status != nil {
		w.status = *c.Status
	}
	return w
}

// setBack reports whether the clock shows less than when the source was last
// worked on.
func setBack(c *call.Checkpoint, now time.Time) bool {
	latest := c.CompletedAt
	for _, w := range []*call.Walk{c.Head, c.Trailing, c.Sweep, c.Backfill} {
		if w != nil && w.StartedAt.After(latest) {
			latest = w.StartedAt
		}
	}
	return latest.Sub(now) > maxSkew
}

// Unproved reports whether the last proof of completeness lies in the future,
// so that nobody knows how old it is: the clock was set back.
func Unproved(c *call.Checkpoint, now time.Time) bool { return c.CompletedAt.Sub(now) > maxSkew }

// ClockSetBack makes parts due that wait for longer than they would if they were
// put off now.
func (e *Engine) ClockSetBack(ctx context.Context) error {
	return e.bringForward(ctx, func(part *call.Part, latest time.Time) bool { return part.NextTry.After(latest) })
}

// bringForward makes those pending parts due that fn chooses, among all whose
// next try is in the future. latest is when one would be that is put off now.
func (e *Engine) bringForward(ctx context.Context, fn func(part *call.Part, latest time.Time) bool) error {
	now := e.now().UTC()
	late := make(map[call.Key]bool)
	for _, part := range call.PartNames {
		due, err := e.store.Due(ctx, e.src.ID, part, now.AddDate(100, 0, 0), 0)
		if err != nil {
			return err
		}
		for _, d := range due {
			if d.NextTry.After(now) {
				late[d.Key] = true
			}
		}
	}
	for key := range late {
		if err := e.bringOneForward(ctx, key, now, fn); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) bringOneForward(ctx context.Context, key call.Key, now time.Time, fn func(*call.Part, time.Time) bool) error {
	return e.revise(ctx, key, func(record *call.Record) (*call.Write, error) {
		w := e.weather(&record.Call, now)
		latest, moved := nextTry(w.base(), now, w.horizon), false
		for _, name := range call.PartNames {
			for _, part := range record.PartsOf(name) {
				if part.State != call.Pending || !part.NextTry.After(now) || !fn(part, latest) {
					continue
				}
				if !part.Deadline.IsZero() && part.NextTry.After(latest) { // it was counted by a clock that ran ahead
					part.Deadline = part.Deadline.Add(now.Sub(part.NextTry))
				}
				part.NextTry, moved = now, true
			}
		}
		if !moved {
			return nil, nil
		}
		record.Join()
		record.Mirror()
		return &call.Write{Record: *record}, nil
	})
}
