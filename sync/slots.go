package callsync

import (
	"container/heap"
	"context"
	"io"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"callsyncd/call"
)

const (
	// soonExpired is the life left of a link below which its download is hurried.
	soonExpired = 15 * time.Minute
	// rateBurst is the most bytes read at once under a limit of the rate, and
	// yielding what an unhurried download reads at once beside a hurried one.
	rateBurst = 32 << 10
	yielding  = 2 << 10
)

// Slots bounds the downloads of all sources together: how many run at once, and
// how many bytes they bring in a second. They are given in the order of
// deadlines, and one of several is kept for downloads whose link expires within
// a quarter of an hour, so that large ones with time to spare cannot hold them
// all. It is safe for concurrent use.
type Slots struct {
	limiter *rate.Limiter // nil without a limit
	clock   call.Clock

	mu        sync.Mutex
	total     int
	taken     int
	unhurried int // of those taken
	queue     seats
}

// NewSlots makes parallel slots, which share bytesPerSecond; 0 means no limit.
func NewSlots(parallel int, bytesPerSecond int64, clock call.Clock) *Slots {
	s := &Slots{total: parallel, clock: clock}
	if bytesPerSecond > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(bytesPerSecond), rateBurst)
	}
	return s
}

// seat is a place in a slot, or in the queue for one.
type seat struct {
	slots    *Slots
	deadline time.Time
	hurried  bool // as it was when the slot was taken
	ready    chan struct{}
	at       int // in the queue; -1 when not there
	leave    func()
}

// enter waits for a slot. A zero deadline comes last.
func (s *Slots) enter(ctx context.Context, deadline time.Time) (*seat, error) {
	p := &seat{slots: s, deadline: deadline, ready: make(chan struct{})}
	p.leave = sync.OnceFunc(func() { s.release(p) })
	s.mu.Lock()
	heap.Push(&s.queue, p)
	s.serve()
	s.mu.Unlock()
	for {
		// When it becomes hurried, it may have the slot that is kept.
		wait := deadline.Sub(s.clock.Now()) - soonExpired
		if deadline.IsZero() || wait <= 0 {
			wait = time.Hour
		}
		if err := s.clock.Wait(ctx, wait, p.ready); err != nil {
			p.leave()
			return nil, err
		}
		select {
		case <-p.ready:
			return p, nil
		default:
		}
		s.mu.Lock()
		s.serve()
		s.mu.Unlock()
	}
}

// serve gives free slots to those who may have them. It needs the lock.
func (s *Slots) serve() {
	for s.taken < s.total && len(s.queue) > 0 {
		p := s.queue[0]
		p.hurried = isHurried(p.deadline, s.clock.Now())
		if !p.hurried && s.total > 1 && s.unhurried >= s.total-1 {
			return
		}
		heap.Pop(&s.queue)
		s.taken++
		if !p.hurried {
			s.unhurried++
		}
		close(p.ready)
	}
}

func isHurried(deadline, now time.Time) bool {
	return !deadline.IsZero() && deadline.Sub(now) <= soonExpired
}

func (s *Slots) release(p *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.at >= 0 {
		heap.Remove(&s.queue, p.at)
		return
	}
	s.taken--
	if !p.hurried {
		s.unhurried--
	}
	s.serve()
}

// hurriedNow reports whether a hurried download is under way.
func (s *Slots) hurriedNow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken > s.unhurried
}

// pace returns body, slowed down to the rate all downloads share. Beside hurried
// downloads an unhurried one takes small bites, for they take turns.
func (p *seat) pace(ctx context.Context, body io.Reader) io.Reader {
	if p.slots.limiter == nil {
		return body
	}
	return &pacedReader{ctx, p, body}
}

type pacedReader struct {
	ctx  context.Context
	seat *seat
	body io.Reader
}

func (r *pacedReader) Read(b []byte) (int, error) {
	bite := rateBurst
	if !r.seat.hurried && r.seat.slots.hurriedNow() {
		bite = yielding
	}
	n, err := r.body.Read(b[:min(len(b), bite)])
	slots := r.seat.slots
	now := slots.clock.Now()
	if wait := slots.limiter.ReserveN(now, n).DelayFrom(now); wait > 0 && err == nil {
		err = slots.clock.Wait(r.ctx, wait, nil)
	}
	return n, err
}

// seats is a heap, soonest deadline first.
type seats []*seat

func (q seats) Len() int { return len(q) }
func (q seats) Less(i, j int) bool {
	a, b := q[i].deadline, q[j].deadline
	return !a.IsZero() && (b.IsZero() || a.Before(b))
}
func (q seats) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push and Pop are for package heap.
func (q *seats) Push(x any) {
	p := x.(*seat)
	p.at = len(*q)
	*q = append(*q, p)
}

func (q *seats) Pop() any {
	old := *q
	p := old[len(old)-1]
	old[len(old)-1], *q = nil, old[:len(old)-1]
	p.at = -1
	return p
}
