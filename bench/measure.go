package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"callsyncd/service"
)

// inProcess is the address the handlers of an archive answer to when no
// listener has told them another.
const inProcess = "http://callsyncd.local"

// The figures of a kind are those of at most maxSamples questions, each of
// distinct ones asked several times, and of at most maxTime in each engine.
const (
	distinct   = 25
	maxSamples = 200
	maxTime    = 10 * time.Second
)

// engines are the ways to ask.
type engines struct {
	archive *service.Archive
	db      *sql.DB
	client  *http.Client
	token   string
}

// serve answers on a port of this machine, as the daemon does.
func serve(a *service.Archive) (*engines, func() error, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: a.Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, listener.Addr().String())
	}
	e := &engines{archive: a, client: &http.Client{Transport: &http.Transport{DialContext: dial}}, token: a.Token().Reveal()}
	return e, server.Close, nil
}

func (e *engines) direct(ctx context.Context, q *question) error {
	_, err := e.archive.Search(ctx, q.SearchQuery)
	return err
}

func (e *engines) http(ctx context.Context, q *question) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, q.address(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+e.token)
	answer, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", q.address(), answer.Status, body)
	}
	return err
}

// times are those of one kind in one engine.
type times []time.Duration

// quantile is the time that a share of the questions did not exceed.
func (t times) quantile(share float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	slices.Sort(t)
	return t[min(len(t)-1, int(share*float64(len(t))))]
}

// figures are what questions took: by the clock, and in processor time of the
// whole process, which says more on a machine that is busy with other things.
type figures struct{ wall, cpu times }

// cpuTime is the processor time of this process until now.
func cpuTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &now); err != nil {
		panic(err)
	}
	return time.Duration(now.Nano())
}

// result is one row of the table.
type result struct {
	kind                 string
	hits                 int // median of the questions
	sqlite, direct, http figures
}

// measure asks the questions of a kind of all engines in turn, each of them
// once before the clock runs.
func (e *engines) measure(ctx context.Context, k *kind, v *vocabulary) (*result, error) {
	r := &result{kind: k.name}
	questions := make([]question, distinct)
	hits := make([]int, distinct)
	for i := range questions {
		questions[i] = k.draw(v)
		found, err := e.archive.Search(ctx, questions[i].SearchQuery)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", k.name, questions[i].Text, err)
		}
		hits[i] = found.Total
	}
	slices.Sort(hits)
	r.hits = hits[distinct/2]
	ways := []struct {
		to  *figures
		ask func(context.Context, *question) error
	}{{&r.sqlite, func(ctx context.Context, q *question) error { return k.ask(ctx, e.db, q) }}, {&r.direct, e.direct}, {&r.http, e.http}}
	if k.ask == nil {
		ways = ways[1:]
	}
	if questions[0].list {
		ways = slices.Delete(ways, 1, 2) // lists belong to the store, which is asked over HTTP only
	}
	spent := time.Duration(0)
	for n := 0; n < maxSamples+distinct && (n < 3*distinct || spent < maxTime); n++ {
		q := &questions[n%distinct]
		for i := range ways {
			way := ways[(n+i)%len(ways)]
			start, cpu := time.Now(), cpuTime()
			if err := way.ask(ctx, q); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", k.name, cmp.Or(q.match, q.Text), err)
			}
			took := time.Since(start)
			if n >= distinct {
				way.to.wall, way.to.cpu = append(way.to.wall, took), append(way.to.cpu, cpuTime()-cpu)
				spent += took
			}
		}
	}
	return r, nil
}
