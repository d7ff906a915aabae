package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"callsyncd/call"
)

// bulky is an archive of calls whose words are many; cursors are offsets.
type bulky struct {
	*fake
	keys []call.Key
}

func (b *bulky) page(after string, limit int) (calls []call.Call, next string) {
	from, _ := strconv.Atoi(after)
	to := min(len(b.keys), from+limit)
	for _, key := range b.keys[from:to] {
		c := b.records[key].Call
		c.Transcript = nil
		calls = append(calls, c)
	}
	if to < len(b.keys) {
		next = strconv.Itoa(to)
	}
	return calls, next
}

func (b *bulky) List(_ context.Context, q call.ListQuery) (call.List, error) {
	calls, next := b.page(q.After, q.Limit)
	return call.List{Calls: calls, Total: len(b.keys), Next: next}, nil
}

func (b *bulky) Search(_ context.Context, q call.SearchQuery) (call.SearchResult, error) {
	calls, next := b.page(q.After, q.Limit)
	found := call.SearchResult{Total: len(b.keys), Next: next}
	for _, c := range calls {
		found.Hits = append(found.Hits, call.Hit{Call: c})
	}
	return found, nil
}

// Many full calls at once must not take the memory the sync needs: the page is
// shorter than asked for, and its cursor leaves none out.
func TestFullPagesAreBounded(t *testing.T) {
	b := &bulky{fake: sample(t)}
	words := strings.Repeat("x", maxPage/4)
	for i := range 10 {
		key := call.Key{Source: "crm", ID: call.ID(fmt.Sprintf("bulk-%d", i))}
		size := len(words)
		if i == 5 {
			size = 1 // and one short call
		}
		b.records[key] = call.Record{Call: call.Call{Key: key, Source: "crm", ID: key.ID, Transcript: []call.Turn{{Speaker: "agent", Text: words[:size]}}}}
		b.keys = append(b.keys, key)
	}
	big := call.Key{Source: "crm", ID: "alone"}
	b.records[big] = call.Record{Call: call.Call{Key: big, Source: "crm", ID: big.ID, Transcript: []call.Turn{{Speaker: "agent", Text: strings.Repeat(words, 5)}}}}
	b.keys = append(b.keys, big)
	h := New(Options{Store: b, Searcher: b, Media: b, Control: b, Statistician: b, Token: testToken, Hosts: []string{testHost}, Log: slog.New(slog.DiscardHandler)})
	for _, path := range []string{"/v1/calls?", "/v1/search?q=x&"} {
		var got []string
		cursor, pages := "", 0
		for ; pages == 0 || cursor != ""; pages++ {
			r := httptest.NewRequest("GET", path+"limit=200&fields=full"+cursor, nil)
			r.Host = testHost
			r.Header.Set("Authorization", "Bearer "+testToken)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if n := w.Body.Len(); w.Code != 200 || n > maxPage+maxPage/2 {
				t.Fatalf("%s: HTTP %d, %d bytes", path, w.Code, n)
			}
			keys, next, limit := rowsOf(t, w.Body.Bytes())
			if limit != 200 {
				t.Errorf("the answer's limit is %d", limit)
			}
			if got, cursor = append(got, keys...), ""; next != "" {
				cursor = "&cursor=" + next
			}
		}
		if len(got) != len(b.keys) || pages < 4 {
			t.Errorf("%s: %d of %d calls on %d pages: %v", path, len(got), len(b.keys), pages, got)
		}
	}
}

// rowsOf reads the keys of a list's calls or hits, and where the next page begins.
func rowsOf(t *testing.T, body []byte) (keys []string, next string, limit int) {
	t.Helper()
	var list struct {
		Data []struct {
			Key  string               `json:"key"`
			Call struct{ Key string } `json:"call"`
		} `json:"data"`
		Pagination struct {
			Limit int     `json:"limit"`
			Next  *string `json:"next_cursor"`
		} `json:"pagination"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	for _, row := range list.Data {
		keys = append(keys, row.Key+row.Call.Key)
	}
	if list.Pagination.Next != nil {
		next = *list.Pagination.Next
	}
	return keys, next, list.Pagination.Limit
}
