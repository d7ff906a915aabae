package callsync

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"callsyncd/call"
)

// modelCall is one call at the vendor of the model, with what the model must
// remember to judge the archive.
type modelCall struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Rev     int       `json:"rev"`
	Flag    bool      `json:"flag"`  // the list says that there is a transcript
	Audio   string    `json:"audio"` // link, or what the list says without one: absent, promised, unknown

	text    string // what the transcript's own address gives; empty is 404
	trouble error  // what the media host answers; nil is the recording
	listed  bool
	answers bool // asked for by id, the vendor knows it although it is not listed
	twice   bool // the list shows it in two rows

	scrambled        string   // its place in a list without order
	texts            []string // every text it ever had
	versions         int      // contents it had, at most
	shown, changed   int      // the vendor's count of mutations when it was listed, or changed, last
	rowAt, textAt    int      // the same, of its row and of its text
	hidden           int      // the same, when it was last taken off the list
	denied           int      // the same, when it was last asked for in vain because it was off the list
	givenAt, shownAt time.Time
	mendedAt, goneAt time.Time // when its recording was last out of reach
}

// modelVendor is the vendor of the model test.
type modelVendor struct {
	plan  vendorPlan
	tally *tally

	mu        sync.Mutex
	calls     []*modelCall // every call there ever was
	mutations int
	vanished  int            // rows that went while pages were read
	appeared  int            // rows that came while pages were read
	single    int            // answers with one row at most, which cannot overlap
	lists     int            // list answers given
	later     map[int][]step // mutations to happen before a list answer
	returned  map[call.ID]bool
	odd       string // what list answers show instead of the list
	odds      int    // for so many answers
	fault     error  // what requests meet
	faultName string
	faults    int // for so many requests
	faultTill time.Time
	mediaTill time.Time // the media host is out until then
	countdown int       // requests until interrupt is called; 0 is never
	interrupt func()
}

// vendorPlan is how a vendor behaves for good.
type vendorPlan struct {
	Paging      call.Paging
	Order       call.Order
	Total       string // "", calls, rows; high and low miscount the calls
	Window      string // "", obeyed, ignored
	HeadEvery   time.Duration
	MinSize     int  // how small a page may be asked for when it fails
	Clamp       int  // rows it gives at most; 0 is as many as asked for
	SaysSize    bool // and says so
	SaysMore    bool
	RepeatsLast bool // beyond its end the list shows its last page over again
	Flagless    bool // only asking shows whether there is a transcript
	Latency     time.Duration
}

const (
	modelPage = 4
	// modelHorizon is a sixth of the usual one, and with it all that lasts long in
	// a scenario: an idle daemon looks at its queues every minute.
	modelHorizon = 12 * time.Hour
)

func (v *modelVendor) Info() call.ProviderInfo {
	return call.ProviderInfo{Name: "model", Paging: v.plan.Paging, FirstPage: 1, PageSize: modelPage, MinSize: v.plan.MinSize, Order: call.OrderUnknown, Mapping: "1",
		Window: v.plan.Window != "", WindowOverlap: time.Hour}
}

// request is what every request to the vendor meets first.
func (v *modelVendor) request(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.countdown > 0 {
		if v.countdown--; v.countdown == 0 {
			v.tally.fault("interrupted at a request")
			v.interrupt()
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if v.faults > 0 {
		v.faults--
	} else if !time.Now().Before(v.faultTill) {
		return nil
	}
	v.tally.fault(v.faultName)
	return v.fault
}

// travel is the time an answer is under way. It is never none: what an answer
// brings is seen after the moment it was asked for.
func (v *modelVendor) travel(ctx context.Context) error {
	return call.RealClock{}.Wait(ctx, max(time.Millisecond, v.plan.Latency), nil)
}

// rows is the list as it stands.
func (v *modelVendor) rows() (rows []*modelCall, calls int) {
	for _, c := range v.calls {
		if !c.listed {
			continue
		}
		calls++
		if rows = append(rows, c); c.twice {
			rows = append(rows, c)
		}
	}
	slices.SortStableFunc(rows, func(a, b *modelCall) int {
		switch v.plan.Order {
		case call.OrderNewestFirst:
			return b.Created.Compare(a.Created)
		case call.OrderOldestFirst:
			return a.Created.Compare(b.Created)
		}
		return strings.Compare(a.scrambled, b.scrambled)
	})
	return rows, calls
}

func scrambled(id string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return fmt.Sprintf("%016x", h.Sum64()*0x9e3779b97f4a7c15)
}

func (v *modelVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	if err := v.request(ctx); err != nil {
		return call.Page{}, err
	}
	page := v.answer(req)
	return page, v.travel(ctx)
}

func (v *modelVendor) answer(req call.ListRequest) call.Page {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lists++
	for _, s := range v.later[v.lists] {
		v.mutate(s, true)
		v.tally.fault("list changes while it is read")
	}
	delete(v.later, v.lists)
	rows, calls := v.rows()
	if req.Window != nil && v.plan.Window == "obeyed" {
		rows = slices.DeleteFunc(rows, func(c *modelCall) bool { return c.Created.Before(req.Window.From) })
		calls = len(rows)
	}
	size := req.Size
	if v.plan.Clamp > 0 {
		size = min(size, v.plan.Clamp)
	}
	odd := v.oddity()
	if odd == "empty" && (v.plan.Total != "" || req.Position == v.first()) {
		rows, calls = nil, 0
		v.tally.fault(odd)
	}
	// Whoever counts too few and gives a page twice looks like a shorter list that
	// shows its last page over again beyond its end.
	if odd == "repeat" && v.plan.Total != "low" {
		req.Position = v.first()
		v.tally.fault(odd)
	}
	from := req.Position.Offset
	switch v.plan.Paging {
	case call.PagingPage:
		if last := (len(rows) + size - 1) / size; v.plan.RepeatsLast {
			req.Position.Page = max(1, min(req.Position.Page, last))
		}
		from = (req.Position.Page - 1) * size
	case call.PagingCursor:
		_, _ = fmt.Sscanf(req.Position.Cursor, "after-%d", &from)
	}
	from = min(from, len(rows))
	to := min(from+size, len(rows))
	probe := req.Window != nil && !req.Window.From.Before(time.Now()) // a question about the future is about the vendor's filter
	if !probe && (size == 1 || from == 0 && to == 1) {
		v.single++
	}
	page := call.Page{FetchedAt: time.Now()}
	for _, c := range rows[from:to] {
		if !probe {
			v.returned[call.ID(c.ID)] = true
		}
		body := c.row()
		page.Items = append(page.Items, call.Item{ID: call.ID(c.ID), Body: body, Fingerprint: string(body), CreatedAt: c.Created})
	}
	more := to < len(rows)
	switch v.plan.Total {
	case "calls":
		page.Total = &calls
	case "rows":
		n := len(rows)
		page.Total = &n
	case "high":
		n := calls + 2
		page.Total = &n
	case "low":
		n := max(0, calls-1)
		page.Total = &n
	}
	if v.plan.SaysSize {
		page.Size = size
	}
	if v.plan.SaysMore {
		page.More = &more
	}
	if v.plan.Paging == call.PagingCursor && more {
		page.Next = &call.Position{Cursor: fmt.Sprintf("after-%d", to)}
		if odd == "circle" {
			page.Next.Cursor = "after-" + strconv.Itoa(size)
			v.tally.fault(odd)
		}
	}
	return page
}

// first is where the list begins.
func (v *modelVendor) first() call.Position {
	if v.plan.Paging == call.PagingPage {
		return call.Position{Page: 1}
	}
	return call.Position{}
}

// oddity is what is odd about the next list answer.
func (v *modelVendor) oddity() string {
	if v.odds == 0 {
		return ""
	}
	v.odds--
	return v.odd
}

func (c *modelCall) row() json.RawMessage {
	body, _ := json.Marshal(c) // strings, numbers and a time
	return body
}

// promised says whether a transcript must come sooner or later.
func (v *modelVendor) promised(c *modelCall) bool { return c.Flag || v.plan.Flagless }

// find returns a call as it is now and as the documents show it.
func (v *modelVendor) find(docs call.Documents) (now *modelCall, listed modelCall) {
	_ = json.Unmarshal(docs[call.DocumentList].Body, &listed)
	for _, c := range v.calls {
		if c.ID == listed.ID && (c.listed || c.answers) {
			return c, listed
		}
	}
	return nil, listed
}

func (v *modelVendor) Wanted(docs call.Documents, _ map[string]string) (string, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, listed := v.find(docs)
	_, have := docs["transcript"]
	return "transcript", v.promised(&listed) && !have
}

func (v *modelVendor) Fetch(ctx context.Context, _ string, docs call.Documents) (call.Document, error) {
	if err := v.request(ctx); err != nil {
		return call.Document{}, err
	}
	v.mu.Lock()
	c, listed := v.find(docs)
	if c == nil {
		v.deny(listed.ID)
	}
	doc := call.Document{Status: 404, Body: json.RawMessage(`"none"`), FetchedAt: time.Now()}
	if c != nil && c.text != "" {
		body, _ := json.Marshal(c.text)
		doc = call.Document{Body: body, FetchedAt: time.Now()}
	}
	v.mu.Unlock()
	return doc, v.travel(ctx)
}

// deny notes that a call was asked for by id in vain.
func (v *modelVendor) deny(id string) {
	for _, c := range v.calls {
		if c.ID == id {
			c.denied = v.mutations
		}
	}
}
