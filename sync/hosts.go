package callsync

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"callsyncd/call"
)

// hostPatience is how long a download waits for a media host that asked to be
// left alone; beyond it waits for its next try, and its link is kept meanwhile.
const hostPatience = time.Minute

// hosts remembers which media hosts asked to be left alone, and until when.
type hosts struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// heed notes what a failure says about its host's wish.
func (h *hosts) heed(host string, failure error, now time.Time) {
	var asked interface{ RetryDelay() time.Duration }
	if !errors.As(failure, &asked) || asked.RetryDelay() <= 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, until := range h.until {
		if !until.After(now) {
			delete(h.until, name)
		}
	}
	if until := now.Add(asked.RetryDelay()); until.After(h.until[host]) {
		h.until[host] = until
	}
}

// free is when a host may be asked again; the past when it may now.
func (h *hosts) free(host string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until[host]
}

// waitForHost waits until the link's host may be asked. It gives up at once when that
// is too long, or longer than the link lives.
func (e *Engine) waitForHost(ctx context.Context, link call.RecordingLink) error {
	host := hostOf(link)
	for {
		until := e.hosts.free(host)
		wait := until.Sub(e.now())
		switch {
		case wait <= 0:
			return nil
		case wait > hostPatience || !e.aliveAt(link, until):
			return &restingHost{until}
		}
		if err := e.clock.Wait(ctx, wait, nil); err != nil {
			return err
		}
	}
}

func hostOf(link call.RecordingLink) string {
	u, err := url.Parse(link.URL.Reveal())
	if err != nil {
		return ""
	}
	return u.Host
}

// restingHost says that the recording's host is to be left alone. Nothing was
// asked of it.
type restingHost struct{ until time.Time }

func (e *restingHost) Error() string {
	return fmt.Sprintf("the recording host asked to be left alone until %s", e.until.UTC().Format(time.RFC3339))
}

// Is makes it a temporary failure.
func (e *restingHost) Is(target error) bool { return target == call.ErrTransient }

// PartReason is the word for call.Part.Reason.
func (e *restingHost) PartReason() string { return "host_busy" }
