package callsync

import "callsyncd/call"

// gains counts the calls of which a round stored something new, each once. Its
// methods need the engine's lock; a nil one counts nothing.
type gains struct {
	first   map[call.ID]struct{} // calls that are new themselves
	changed map[call.ID]struct{}
}

// begin starts to count, and returns the count of the calls that were held before.
func (e *Engine) begin() (changed func() int) {
	t := &gains{make(map[call.ID]struct{}), make(map[call.ID]struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gains = t
	return func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.gains = nil
		return len(t.changed)
	}
}

// add counts what was stored: the vendor's answers that are not those known, and
// recordings.
func (t *gains) add(writes ...call.Write) {
	if t == nil {
		return
	}
	for i := range writes {
		w := &writes[i]
		id := w.Record.Call.Key.ID
		if w.Kind == call.ChangeNew {
			t.first[id] = struct{}{}
		} else if _, isNew := t.first[id]; !isNew && (len(w.Documents) > 0 || w.Kind == call.ChangeRecording) {
			t.changed[id] = struct{}{}
		}
	}
}
