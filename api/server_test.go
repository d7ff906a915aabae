package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
)

// serveFake starts a real server over f and a client of it.
func serveFake(t *testing.T, f *fake, adjust func(*http.Server)) (*httptest.Server, *client.Client) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	srv := httptest.NewUnstartedServer(nil)
	address := srv.Listener.Addr().String()
	srv.Config = Server(New(Options{Store: f, Searcher: f, Media: f, Control: f, Statistician: f, Token: testToken, Hosts: []string{address}, Log: log}), log)
	if adjust != nil {
		adjust(srv.Config)
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv, client.New("http://"+address, testToken, nil)
}

// oneConnection is a listener that accepts one connection and ends.
type oneConnection chan net.Conn

func (l oneConnection) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (oneConnection) Close() error   { return nil }
func (oneConnection) Addr() net.Addr { return &net.TCPAddr{} }

// A long poll outlives the limits for reading a request and for ordinary
// answers.
func TestLongPollOutlivesLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		listener := make(oneConnection, 1)
		listener <- theirs
		close(listener)
		srv := Server(sample(t).handler(nil), slog.New(slog.DiscardHandler))
		defer srv.Close()
		if err := srv.Serve(listener); !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
		c := client.New("http://"+testHost, testToken, &http.Transport{DisableKeepAlives: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
		wait := srv.WriteTimeout + time.Second
		if wait > maxWait || wait < srv.ReadTimeout {
			t.Fatalf("a wait of %s shows nothing", wait)
		}
		begin := time.Now()
		got, err := c.Changes(t.Context(), 2, 0, wait)
		if err != nil || got.Value.Next != 2 || time.Since(begin) != wait {
			t.Errorf("after %s: %+v, %v", time.Since(begin), got, err)
		}
	})
}

func TestLongPollEndsAtShutdown(t *testing.T) {
	f := sample(t)
	polling := make(chan struct{})
	srv, c := serveFake(t, f, func(s *http.Server) {
		inner := s.Handler
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(polling)
			inner.ServeHTTP(w, r)
		})
	})
	done := make(chan error, 1)
	go func() {
		_, err := c.Changes(context.Background(), 2, 0, time.Minute)
		done <- err
	}()
	<-polling
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := srv.Config.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// clients are the two ways to reach the same handlers.
func clients(t *testing.T, f *fake) map[string]*client.Client {
	_, network := serveFake(t, f, nil)
	return map[string]*client.Client{
		"network":    network,
		"in process": client.New("http://"+testHost, testToken, client.InProcess(f.handler(nil))),
	}
}

func TestClientRoundTrip(t *testing.T) {
	f := sample(t)
	first, second := f.order[0], f.order[1]
	for name, c := range clients(t, f) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			one, err := c.Call(ctx, first, client.Show{Include: []string{"raw", "versions"}})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(one.Value.Call, f.records[first].Call) || len(one.Value.Raw) != 2 || len(one.Value.Versions) != 1 {
				t.Errorf("call %+v", one.Value)
			}
			if !strings.HasPrefix(string(one.Body), `{"key":"crm/c1"`) {
				t.Errorf("body %.80s", one.Body)
			}
			odd, err := c.Call(ctx, second, client.Show{Fields: "light"})
			if err != nil || odd.Value.Key != second {
				t.Errorf("%v: %+v, %v", second, odd.Value.Key, err)
			}
			var keys []call.Key
			err = c.AllCalls(ctx, client.ListOptions{ListQuery: call.ListQuery{Limit: 1}}, func(found client.Call) error {
				keys = append(keys, found.Key)
				return nil
			})
			if err != nil || !slices.Equal(keys, f.order) {
				t.Errorf("all calls: %v, %v", keys, err)
			}
			hits, err := c.Search(ctx, client.SearchOptions{SearchQuery: call.SearchQuery{Text: "cost", Limit: 3}})
			if err != nil || hits.Value.Coverage.Calls != 9 || hits.Value.Pagination.Total != 7 || hits.Value.Data[0].Snippets[0].Marks[0] != [2]int{13, 17} {
				t.Errorf("search: %+v, %v", hits.Value, err)
			}
			said, err := c.Transcript(ctx, first)
			if err != nil || !reflect.DeepEqual(said.Value.Transcript, f.records[first].Call.Transcript) {
				t.Errorf("transcript: %+v, %v", said.Value, err)
			}
			text, err := c.TranscriptText(ctx, first, "txt")
			if err != nil || !strings.Contains(string(text), "customer: What does it cost?") {
				t.Errorf("text: %s, %v", text, err)
			}
			status, err := c.Status(ctx)
			if err != nil || status.Value.Sources[0].Name != "crm" {
				t.Errorf("status: %+v, %v", status.Value, err)
			}
			counted, err := c.Search(ctx, client.SearchOptions{SearchQuery: call.SearchQuery{Facets: []string{"agent", "month"}}})
			if err != nil || counted.Value.Facets["agent"][0].Count != 7 || counted.Value.Facets["month"] == nil {
				t.Errorf("facets: %+v, %v", counted.Value.Facets, err)
			}
			stats, err := c.Stats(ctx, call.StatsQuery{By: "week", Group: "source", Filter: call.Filter{Source: []call.SourceID{"crm"}}})
			if err != nil || stats.Value.By != "week" || *stats.Value.Group != "source" || *stats.Value.Data[0].ScoreMean != 0.75 || f.lastStats.Filter.Source[0] != "crm" {
				t.Errorf("stats: %+v, %v", stats.Value, err)
			}
			life, err := c.History(ctx, first)
			if err != nil || life.Value.Key != first || len(life.Value.Data) != 4 || life.Value.Data[1].Parts[0].Attempts != 2 {
				t.Errorf("history: %+v, %v", life.Value, err)
			}
			statements, err := c.Statements(ctx, []call.SourceID{"crm", "erp"}, 2)
			if err != nil || len(statements.Value.Data) != 4 || statements.Value.Data[0].Source != "erp" || *statements.Value.Data[0].Expected != 4 {
				t.Errorf("statements: %+v, %v", statements.Value, err)
			}
			detailed, err := c.Call(ctx, second, client.Show{Fields: "light", Include: []string{"parts"}})
			if err != nil || detailed.Value.Details[call.PartTranscript].State != call.Pending || one.Value.Details != nil {
				t.Errorf("part details: %+v, %v", detailed.Value.Details, err)
			}
			link, err := c.OpenLink(ctx)
			if err != nil || !strings.Contains(link.Value.URL, "/#") || time.Until(link.Value.ExpiresAt) < 50*time.Second {
				t.Errorf("link: %v", err)
			}
			gaps, err := c.Gaps(ctx, "crm", 1, "")
			if err != nil || len(gaps.Value.Data) != 1 || !gaps.Value.Pagination.HasMore {
				t.Errorf("gaps: %+v, %v", gaps.Value, err)
			}
			changes, err := c.Changes(ctx, 0, 1, 0)
			if err != nil || len(changes.Value.Data) != 1 || changes.Value.Next != 1 {
				t.Errorf("changes: %+v, %v", changes.Value, err)
			}
			if _, err := c.Acknowledge(ctx, client.Loss{Key: first, Part: call.PartRecording, Reason: "known"}); err != nil {
				t.Error(err)
			}
			if woken, err := c.Sync(ctx, client.Wake{Source: "crm", Full: true}); err != nil || !woken.Value.Full {
				t.Errorf("sync: %+v, %v", woken.Value, err)
			}
			if report, err := c.Verify(ctx); err != nil || len(report.Value.Problems) != 1 {
				t.Errorf("verify: %+v, %v", report.Value, err)
			}
			if index, err := c.Reindex(ctx); err != nil || index.Value.Documents != 2 {
				t.Errorf("reindex: %+v, %v", index.Value, err)
			}
		})
	}
}

func TestClientRecording(t *testing.T) {
	f := sample(t)
	for name, c := range clients(t, f) {
		t.Run(name, func(t *testing.T) {
			sound, err := c.Recording(t.Context(), f.order[0], "", "bytes=2-4")
			if err != nil {
				t.Fatal(err)
			}
			defer sound.Body.Close()
			content := make([]byte, 10)
			n, _ := sound.Body.Read(content)
			if string(content[:n]) != "234" || sound.SizeBytes != 3 || sound.SHA256 != "0a1b" || !sound.Partial ||
				sound.FileName != "093000_c1_0a1b.mp3" || sound.ContentType != "audio/mpeg" {
				t.Errorf("%q %+v", content[:n], sound)
			}
		})
	}
}

// Whatever a filter holds arrives as it was.
func TestClientFilters(t *testing.T) {
	f := sample(t)
	f.retired = []call.SourceID{"erp"}
	filter := call.Filter{
		Source: []call.SourceID{"crm", "erp"}, Agent: []string{"Smith, John", `back\slash`, "ü & =+%"}, AgentID: []string{"a"}, Campaign: []string{"b"},
		CampaignID: []string{"c"}, ContactID: []string{"d"}, UserID: []string{"e"}, Phone: []string{"+1 202 555 0123"},
		Direction: []call.Direction{call.Inbound}, Status: []call.Status{call.StatusBusy}, Outcome: []string{"o"}, Sentiment: []string{"neutral"},
		From: at("2025-12-01T00:00:00Z").Add(time.Nanosecond), To: at("2025-12-02T00:00:00Z"), MinDuration: ptr(0.25), MaxDuration: ptr(1e6),
		Has: []call.PartName{call.PartSummary}, Settled: ptr(true), DeletedUpstream: ptr(false),
	}
	for name, c := range clients(t, f) {
		t.Run(name, func(t *testing.T) {
			want := call.ListQuery{Filter: filter, OrderBy: call.ByDuration, Ascending: true, Limit: 7, After: "second"}
			if _, err := c.Calls(t.Context(), client.ListOptions{ListQuery: want}); err != nil || !reflect.DeepEqual(f.lastList, want) {
				t.Errorf("%+v, %v", f.lastList, err)
			}
			search := call.SearchQuery{Text: `say "x, y"`, Filter: filter, Sort: "oldest", Limit: 7, After: "more"}
			if _, err := c.Search(t.Context(), client.SearchOptions{SearchQuery: search}); err != nil || !reflect.DeepEqual(f.lastSearch, search) {
				t.Errorf("%+v, %v", f.lastSearch, err)
			}
			if page, err := c.Calls(t.Context(), client.ListOptions{MostRecent: true}); err != nil || len(page.Value.Data) != 1 {
				t.Errorf("most recent: %+v, %v", page.Value, err)
			}
		})
	}
}

func TestClientProblems(t *testing.T) {
	f := sample(t)
	for name, c := range clients(t, f) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if _, err := c.Call(ctx, call.Key{Source: "crm", ID: ".."}, client.Show{}); !errors.Is(err, call.ErrNotFound) {
				t.Errorf("missing call: %v", err)
			}
			if _, err := c.History(ctx, call.Key{Source: "crm", ID: "none"}); !errors.Is(err, call.ErrNotFound) {
				t.Errorf("history of a missing call: %v", err)
			}
			_, err := c.Search(ctx, client.SearchOptions{SearchQuery: call.SearchQuery{Text: `"open`}})
			if q, ok := errors.AsType[*call.QueryError](err); !ok || q.Position != 0 || q.Message != "the quote is not closed" {
				t.Errorf("query: %v", err)
			}
			if _, err := c.Calls(ctx, client.ListOptions{ListQuery: call.ListQuery{After: "bad"}}); !errors.Is(err, call.ErrBadCursor) {
				t.Errorf("cursor: %v", err)
			}
			_, err = c.Calls(ctx, client.ListOptions{ListQuery: call.ListQuery{Limit: 1000}})
			p, ok := errors.AsType[*client.Problem](err)
			if !ok || p.Status != 400 || p.Title != "Bad Request" || p.Errors[0].Location != "query.limit" || len(p.Body) == 0 || errors.Is(err, call.ErrBadCursor) {
				t.Errorf("limit: %#v", err)
			}
			if _, err := c.Acknowledge(ctx, client.Loss{Key: f.order[0], Part: call.PartSummary, Reason: "x"}); !errors.Is(err, call.ErrRefused) {
				t.Errorf("acknowledge: %v", err)
			}
			if _, err := c.Sync(ctx, client.Wake{Source: "erp"}); !errors.Is(err, call.ErrNotFound) {
				t.Errorf("sync: %v", err)
			}
		})
	}
	stranger := client.New("http://"+testHost, "wrong", client.InProcess(f.handler(nil)))
	if _, err := stranger.Status(t.Context()); !errors.Is(err, call.ErrUnauthorized) {
		t.Errorf("wrong token: %v", err)
	}
	lost := client.New("http://other.example", testToken, client.InProcess(f.handler(nil)))
	if _, err := lost.Status(t.Context()); !errors.Is(err, call.ErrRefused) {
		t.Errorf("wrong host: %v", err)
	}
	f.err = ErrBusy
	busy := client.New("http://"+testHost, testToken, client.InProcess(f.handler(nil)))
	if _, err := busy.Search(t.Context(), client.SearchOptions{}); !errors.Is(err, call.ErrTransient) {
		t.Errorf("busy: %v", err)
	}
}

// Slow senders are cut off; nothing of theirs reaches a handler.
func TestSlowHeader(t *testing.T) {
	srv, _ := serveFake(t, sample(t), func(s *http.Server) { s.ReadHeaderTimeout = 20 * time.Millisecond })
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost:")); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, %v; want the connection closed", n, err)
	}
}
