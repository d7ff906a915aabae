package callsync

import (
	"context"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
)

// closing ends the work while it is looked for.
type closing struct {
	Store
	end func()
}

func (c closing) Due(ctx context.Context, source call.SourceID, part call.PartName, before time.Time, limit int) ([]call.Due, error) {
	c.end()
	return c.Store.Due(ctx, source, part, before, limit)
}

// Work that is finished in the very moment in which nothing is due must not wait
// for news.
func TestDownloadsEndAtOnce(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		finish := make(chan struct{})
		b.engine.store = closing{b.engine.store, sync.OnceFunc(func() { close(finish) })}
		began := time.Now()
		if err := b.engine.newDownloads(true).run(b.t.Context(), finish); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("waited %v for nothing", waited)
		}
	})
}
