package api

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

// poll asks for changes in the background and returns its answer and how long
// it took.
func poll(ctx context.Context, f *fake, target string) <-chan polled {
	out := make(chan polled, 1)
	h := f.handler(nil)
	begin := time.Now()
	go func() {
		w := ask(h, request("GET", target, "").WithContext(ctx))
		p := polled{response: w, after: time.Since(begin)}
		_ = json.Unmarshal(w.Body.Bytes(), &p.feed)
		out <- p
	}()
	return out
}

type polled struct {
	response *httptest.ResponseRecorder
	after    time.Duration
	feed     feed
}

func TestLongPoll(t *testing.T) {
	t.Run("news at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := <-poll(t.Context(), sample(t), "/v1/changes?since=0&limit=1&wait=60s")
			if p.after != 0 || len(p.feed.Data) != 1 || p.feed.Next != 1 {
				t.Errorf("after %s: %s", p.after, p.response.Body)
			}
		})
	})
	t.Run("news while waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := sample(t)
			answer := poll(t.Context(), f, "/v1/changes?since=2&wait=60s")
			time.Sleep(20 * time.Second)
			f.happen(f.order[0], call.ChangeRecording)
			p := <-answer
			if p.after != 20*time.Second || len(p.feed.Data) != 1 || p.feed.Next != 3 || p.feed.Data[0].Kind != call.ChangeRecording {
				t.Errorf("after %s: %s", p.after, p.response.Body)
			}
		})
	})
	t.Run("nothing new", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := <-poll(t.Context(), sample(t), "/v1/changes?since=2&wait=30s")
			if p.after != 30*time.Second || p.response.Code != 200 || len(p.feed.Data) != 0 || p.feed.Next != 2 {
				t.Errorf("after %s: %d %s", p.after, p.response.Code, p.response.Body)
			}
		})
	})
	t.Run("since beyond the last", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := sample(t)
			answer := poll(t.Context(), f, "/v1/changes?since=90&wait=1")
			f.happen(f.order[0], call.ChangeRecording)
			p := <-answer
			if p.after != time.Second || p.response.Code != 200 || len(p.feed.Data) != 0 || p.feed.Next != 90 {
				t.Errorf("after %s: %d %s", p.after, p.response.Code, p.response.Body)
			}
		})
	})
	t.Run("without waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := <-poll(t.Context(), sample(t), "/v1/changes?since=2")
			if p.after != 0 || p.response.Code != 200 || p.feed.Next != 2 {
				t.Errorf("after %s: %d %s", p.after, p.response.Code, p.response.Body)
			}
		})
	})
	t.Run("the client leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if p := <-poll(ctx, sample(t), "/v1/changes?since=2&wait=60s"); p.after != 5*time.Second {
				t.Errorf("after %s", p.after)
			}
		})
	})
	t.Run("the daemon stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stop := make(chan struct{})
			answer := poll(context.WithValue(t.Context(), stoppingKey{}, stop), sample(t), "/v1/changes?since=2&wait=60s")
			time.Sleep(7 * time.Second)
			close(stop)
			if p := <-answer; p.after != 7*time.Second || p.response.Code != 200 {
				t.Errorf("after %s: %d", p.after, p.response.Code)
			}
		})
	})
}
