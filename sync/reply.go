package callsync

import (
	"sync"

	"callsyncd/call"
)

// reply says when a list answer was asked for and when it came, as moments of
// one clock that counts events. Of two answers the one that was asked for after
// the other had come shows the later state of the vendor; of two that were under
// way at once nobody can say.
type reply struct{ asked, came uint64 }

// replyClock keeps walks that read the list at the same time from storing an older
// answer over a newer one.
type replyClock struct {
	mu    sync.Mutex
	clock uint64
	open  map[uint64]struct{} // when the answers under way, or being stored, were asked for
	// last is when the newest answer came that a call was stored or confirmed
	// by; it is kept as long as an answer asked for before that is open.
	last map[call.ID]uint64
	busy map[call.ID]struct{} // calls some walk is storing
	turn int                  // how often a walk was done storing
}

// claimed stands for the turn of a walk that has claimed the call it speaks of.
const claimed = -1

func newReplyClock() *replyClock {
	return &replyClock{open: make(map[uint64]struct{}), last: make(map[call.ID]uint64), busy: make(map[call.ID]struct{})}
}

// ask begins an answer. Every one must be closed.
func (s *replyClock) ask() reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	s.open[s.clock] = struct{}{}
	return reply{asked: s.clock}
}

// arrived is the same answer once it came.
func (s *replyClock) arrived(a reply) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	a.came = s.clock
	return a
}

// close forgets an answer, and what was remembered for its sake.
func (s *replyClock) close(a reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, a.asked)
	oldest := s.clock + 1
	for asked := range s.open {
		oldest = min(oldest, asked)
	}
	for id, came := range s.last {
		if came < oldest {
			delete(s.last, id)
		}
	}
}

// now is the turn to be taken before the archive is read.
func (s *replyClock) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turn
}

// confirm notes that an answer shows a call as it was stored at a turn. It
// refuses when another walk has stored something since, or is about to.
func (s *replyClock) confirm(id call.ID, a reply, turn int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, busy := s.busy[id]; turn != claimed && (busy || turn != s.turn) {
		return false
	}
	s.last[id] = max(s.last[id], a.came)
	return true
}

// replace reports whether an answer may replace what is stored of a call the
// caller has claimed: it was asked for after the stored one had come.
func (s *replyClock) replace(id call.ID, a reply) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last[id] > a.asked {
		return false
	}
	s.last[id] = a.came
	return true
}

// hold marks calls as being stored until release is called.
func (s *replyClock) hold(ids []call.ID) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.busy[id] = struct{}{}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.turn++
		for _, id := range ids {
			delete(s.busy, id)
		}
	}
}
