package callsync

import (
	"time"

	"callsyncd/call"
)

// The fields a list can be ordered by.
const (
	fieldCreated = "created_at"
	fieldUpdated = "updated_at"
)

// orderWatch learns a list's order from the items as they pass.
type orderWatch struct {
	created, updated fieldOrder
}

// fieldOrder counts the steps between neighbours of one timestamp.
type fieldOrder struct {
	last     time.Time
	oldest   time.Time
	up, down int
	missing  bool
}

func (o *orderWatch) see(it call.Item) {
	o.created.see(it.CreatedAt)
	o.updated.see(it.UpdatedAt)
}

func (f *fieldOrder) see(t time.Time) {
	if t.IsZero() {
		f.missing = true
		return
	}
	if !f.last.IsZero() {
		switch {
		case t.After(f.last):
			f.up++
		case t.Before(f.last):
			f.down++
		}
	}
	f.last = t
	if f.oldest.IsZero() || t.Before(f.oldest) {
		f.oldest = t
	}
}

// orderSteps is how many steps the same way prove an order: fewer may go one way
// by chance, and a list so short costs little to read whole.
const orderSteps = 12

// proved says what the items seen so far prove about the list: unknown while
// there are too few of them.
func (o *orderWatch) proved() (call.Order, string) {
	order, field := o.order()
	steps := o.created.up + o.created.down
	if field == fieldUpdated {
		steps = o.updated.up + o.updated.down
	}
	if field != "" && steps < orderSteps {
		return call.OrderUnknown, ""
	}
	return order, field
}

// order says what the items seen so far look like.
func (o *orderWatch) order() (call.Order, string) {
	if order := o.created.order(); order == call.OrderNewestFirst || order == call.OrderOldestFirst {
		return order, fieldCreated
	}
	if order := o.updated.order(); order == call.OrderNewestFirst || order == call.OrderOldestFirst {
		return order, fieldUpdated
	}
	if o.created.up+o.created.down == 0 {
		return call.OrderUnknown, ""
	}
	return call.OrderNone, ""
}

func (f *fieldOrder) order() call.Order {
	switch {
	case f.missing, f.up+f.down == 0, f.up > 0 && f.down > 0:
		return call.OrderNone
	case f.down > 0:
		return call.OrderNewestFirst
	}
	return call.OrderOldestFirst
}
