// Package client asks a callsyncd daemon, or the API's handlers inside the
// same process, for what the command line shows. Every answer comes both
// decoded and as the bytes that were sent.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

// maxAnswerBytes bounds a JSON answer or a transcript.
const maxAnswerBytes = 256 << 20

// patience is how long an answer over the network may take, where the API
// itself neither waits nor works.
const patience = 10 * time.Second

// ErrNoAnswer: something listens, but it did not answer in time.
var ErrNoAnswer = errors.New("no answer")

// Client speaks to one API. It is safe for concurrent use.
type Client struct {
	base  string
	token call.Secret
	http  *http.Client
	// patience bounds every request but recordings and the API's own work; 0
	// is for handlers of this process.
	patience time.Duration
}

// New returns a client of the API at base, such as "http://127.0.0.1:7411".
// The host of base must be one the API answers to, in process too. With a nil
// rt it uses the network directly: the token never goes to a proxy, nor
// anywhere a redirect points.
func New(base string, token call.Secret, rt http.RoundTripper) *Client {
	c := &Client{base: strings.TrimSuffix(base, "/"), token: token}
	if rt == nil {
		c.patience = patience
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.Proxy = nil
		rt = transport
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &http.Client{Transport: rt, CheckRedirect: stay}
	return c
}

// Response is an answer, decoded and verbatim.
type Response[T any] struct {
	Value T
	Body  json.RawMessage
}

// Page is one page of a list.
type Page[T any] struct {
	Data       []T        `json:"data"`
	Pagination Pagination `json:"pagination"`
}

// Pagination says where in its list a page is.
type Pagination struct {
	Total int `json:"total"` // rows on all pages
	Limit int `json:"limit"`
	// NextCursor asks for the following page; nil at the end.
	NextCursor *string `json:"next_cursor"`
	HasMore    bool    `json:"has_more"`
}

// Call is a call as an answer shows it. Transcript and Metadata are nil in
// light calls, Raw and Versions unless they were asked for.
type Call struct {
	call.Call
	// Raw holds the vendor's current documents by name.
	Raw      map[string]json.RawMessage `json:"raw,omitempty"`
	Versions []call.Version             `json:"versions,omitempty"`
	// Recordings are all recording files, with "recordings" in Show.Include.
	Recordings []RecordingFile `json:"recordings,omitempty"`
	// Details is what is known about each part, with "parts" in Show.Include.
	Details map[call.PartName]PartDetail `json:"part_details,omitempty"`
}

// RecordingFile is one of the recordings of a call, or a file that another one
// took the place of.
type RecordingFile struct {
	Label string `json:"label"` // main, or what tells it apart from the main one
	call.Recording
	Reason *string `json:"reason"` // why it is not stored
	// Current is false for a file that another one took the place of.
	Current bool `json:"current"`
	// SetAsideAt is when another one took its place, or when it was found worse
	// than the current one; nil for the current one.
	SetAsideAt *time.Time `json:"set_aside_at"`
}

// PartDetail is the state of a part with what is known about it.
type PartDetail struct {
	State  call.State `json:"state"`
	Reason *string    `json:"reason"` // why it is not stored, or what proved it absent
	// NextTry and Deadline are of pending parts: when it is asked for again,
	// and when it would be lost.
	NextTry      *time.Time            `json:"next_try"`
	Deadline     *time.Time            `json:"deadline"`
	Attempts     int                   `json:"attempts"` // requests that did not bring it
	Acknowledged *call.Acknowledgement `json:"acknowledged"`
}

// Hit is one row of a search.
type Hit struct {
	Call     Call           `json:"call"`
	Score    float64        `json:"score"`
	Snippets []call.Snippet `json:"snippets"`
}

// SearchPage is one page of hits.
type SearchPage struct {
	Coverage call.Coverage `json:"coverage"`
	// Facets holds the counts asked for.
	Facets map[string][]call.FacetCount `json:"facets,omitempty"`
	Page[Hit]
}

// Show says how much of each call to answer with.
type Show struct {
	// Fields is "light" or "full"; empty means light in lists, full for one call.
	Fields string
	// Include adds to it: transcript, metadata, raw, versions, parts.
	Include []string
}

// ListOptions ask for a list of calls.
type ListOptions struct {
	call.ListQuery
	// MostRecent answers with the newest match only; then the order and After
	// must be unset.
	MostRecent bool
	Show
}

// SearchOptions ask for a search.
type SearchOptions struct {
	call.SearchQuery
	// MostRecent answers with the newest hit only; then Sort and After must be unset.
	MostRecent bool
	Show
}

// Search runs one search.
func (c *Client) Search(ctx context.Context, o SearchOptions) (Response[SearchPage], error) {
	q := params{}
	q.add("q", o.Text)
	q.sort(o.SearchQuery)
	addAll(q, "facets", o.Facets)
	q.filter(o.Filter)
	q.page(o.Limit, o.After)
	q.show(o.Show, o.MostRecent)
	return get[SearchPage](ctx, c, "/v1/search", q)
}

// Calls answers one page of the list of calls.
func (c *Client) Calls(ctx context.Context, o ListOptions) (Response[Page[Call]], error) {
	q := params{}
	q.filter(o.Filter)
	q.add("order_by", string(o.OrderBy))
	if o.Ascending {
		q.add("order", "asc")
	}
	q.page(o.Limit, o.After)
	q.show(o.Show, o.MostRecent)
	return get[Page[Call]](ctx, c, "/v1/calls", q)
}

// AllCalls calls fn for every call of the list, from o.After on, fetching
// page after page of o.Limit. It stops at the first error of fn and returns it.
func (c *Client) AllCalls(ctx context.Context, o ListOptions, fn func(Call) error) error {
	for {
		page, err := c.Calls(ctx, o)
		if err != nil {
			return err
		}
		for _, found := range page.Value.Data {
			if err := fn(found); err != nil {
				return err
			}
		}
		next := page.Value.Pagination.NextCursor
		if next == nil {
			return nil
		}
		if *next == o.After {
			return fmt.Errorf("list calls: the cursor does not move: %w", call.ErrCorrupt)
		}
		o.After = *next
	}
}

// Call answers one call; call.ErrNotFound when the archive has none.
func (c *Client) Call(ctx context.Context, key call.Key, show Show) (Response[Call], error) {
	q := params{}
	q.show(show, false)
	return get[Call](ctx, c, callPath(key), q)
}

// History is the life of a call.
type History struct {
	Key  call.Key     `json:"key"`
	Data []call.Event `json:"data"` // oldest first
}

// History tells what happened to a call; call.ErrNotFound when the archive has
// none.
func (c *Client) History(ctx context.Context, key call.Key) (Response[History], error) {
	return get[History](ctx, c, callPath(key)+"/history", params{})
}

// Transcript is the JSON form of a transcript.
type Transcript struct {
	Key        call.Key    `json:"key"`
	Transcript []call.Turn `json:"transcript"`
}

// Transcript answers what was said; call.ErrNotFound when nothing is stored.
func (c *Client) Transcript(ctx context.Context, key call.Key) (Response[Transcript], error) {
	return get[Transcript](ctx, c, callPath(key)+"/transcript", params{})
}

// TranscriptText answers the transcript as "txt", "vtt" or "srt".
func (c *Client) TranscriptText(ctx context.Context, key call.Key, format string) ([]byte, error) {
	q := params{}
	q.add("format", format)
	return c.read(ctx, http.MethodGet, callPath(key)+"/transcript", q, nil)
}

// Recording is the sound of a call. The caller closes Body.
type Recording struct {
	Body        io.ReadCloser
	SizeBytes   int64 // of Body; -1 when unknown
	ContentType string
	FileName    string // safe on every file system; empty when not given
	SHA256      string // of the whole file; empty when not given
	Partial     bool   // Body is only the range asked for
}

// Recording opens the sound of a call: of the recording with the label, empty for
// the main one. byteRange is a Range header such as "bytes=0-99"; empty asks for
// the whole file.
func (c *Client) Recording(ctx context.Context, key call.Key, label, byteRange string) (*Recording, error) {
	header := http.Header{}
	if byteRange != "" {
		header.Set("Range", byteRange)
	}
	p := params{}
	p.add("label", label)
	res, err := c.send(ctx, http.MethodGet, callPath(key)+"/recording", p, nil, header)
	if err != nil {
		return nil, err
	}
	_, disposition, _ := mime.ParseMediaType(res.Header.Get("Content-Disposition"))
	return &Recording{
		Body:        res.Body,
		SizeBytes:   res.ContentLength,
		ContentType: res.Header.Get("Content-Type"),
		FileName:    disposition["filename"],
		SHA256:      strings.Trim(res.Header.Get("ETag"), `"`),
		Partial:     res.StatusCode == http.StatusPartialContent,
	}, nil
}

// Feed is a stretch of the change feed.
type Feed struct {
	Data []call.Change `json:"data"`
	Next uint64        `json:"next"` // send it as since to go on
}

// Changes answers at most limit changes after since (0: the API's default
// limit). With a wait it is patient for that long, at most a minute, when
// there is none yet.
func (c *Client) Changes(ctx context.Context, since uint64, limit int, wait time.Duration) (Response[Feed], error) {
	q := params{}
	q.add("since", strconv.FormatUint(since, 10))
	q.page(limit, "")
	if wait > 0 {
		q.add("wait", wait.String())
	}
	return get[Feed](ctx, c, "/v1/changes", q)
}

// Status answers the state of the archive.
func (c *Client) Status(ctx context.Context) (Response[call.StatusReport], error) {
	return get[call.StatusReport](ctx, c, "/v1/status", params{})
}

// Gaps answers one page of the parts that are not stored, of one source or,
// when source is empty, of all.
func (c *Client) Gaps(ctx context.Context, source call.SourceID, limit int, after string) (Response[Page[call.Gap]], error) {
	q := params{}
	q.add("source", string(source))
	q.page(limit, after)
	return get[Page[call.Gap]](ctx, c, "/v1/gaps", q)
}

// Statements are the completeness statements of several sources.
type Statements struct {
	Data []call.Statement `json:"data"` // newest first, over all sources
}

// Statements answers up to limit statements of each source (0: the API's
// default, one), of all configured sources when none is named.
func (c *Client) Statements(ctx context.Context, sources []call.SourceID, limit int) (Response[Statements], error) {
	q := params{}
	addAll(q, "source", sources)
	q.page(limit, "")
	return get[Statements](ctx, c, "/v1/statements", q)
}

// Stats are figures over time.
type Stats struct {
	By    string       `json:"by"`    // day, week or month
	Group *string      `json:"group"` // nil when the periods are not split
	Data  []call.Stats `json:"data"`
}

// Stats counts calls over time. An empty By leaves the length of the periods
// to the API.
func (c *Client) Stats(ctx context.Context, s call.StatsQuery) (Response[Stats], error) {
	q := params{}
	q.add("by", s.By)
	q.add("group", s.Group)
	q.filter(s.Filter)
	return get[Stats](ctx, c, "/v1/stats", q)
}

// Link opens the page in a browser. It is a secret: whoever opens it first
// reads the archive.
type Link struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// OpenLink makes a link that opens the page once, at the host of the client's
// base address.
func (c *Client) OpenLink(ctx context.Context) (Response[Link], error) {
	return post[Link](ctx, c, "/v1/session/link", struct{}{})
}

// Loss names a lost part and why that is accepted.
type Loss struct {
	Key    call.Key      `json:"key"`
	Part   call.PartName `json:"part"`
	Reason string        `json:"reason"`
}

// Acknowledge accepts a loss; call.ErrRefused when the part is not lost.
func (c *Client) Acknowledge(ctx context.Context, l Loss) (Response[Loss], error) {
	return post[Loss](ctx, c, "/v1/gaps/ack", l)
}

// Wake says what to sync.
type Wake struct {
	Source call.SourceID `json:"source,omitempty"` // empty: all
	Full   bool          `json:"full,omitempty"`   // also the sweep
	// AcceptVanished says that calls vanished at the vendor on purpose, however
	// many; By is who says so. It needs Source and Full.
	AcceptVanished bool   `json:"accept_vanished,omitempty"`
	By             string `json:"by,omitempty"`
}

// Sync wakes sources and returns at once; call.ErrNotFound for an unknown one.
func (c *Client) Sync(ctx context.Context, w Wake) (Response[Wake], error) {
	return post[Wake](ctx, c, "/v1/sync", w)
}

// Verify checks the archive and returns when done.
func (c *Client) Verify(ctx context.Context) (Response[call.VerifyReport], error) {
	return post[call.VerifyReport](ctx, c, verifyPath, struct{}{})
}

// Reindex builds the index anew and returns when done.
func (c *Client) Reindex(ctx context.Context) (Response[call.IndexStatus], error) {
	return post[call.IndexStatus](ctx, c, reindexPath, struct{}{})
}

const (
	verifyPath  = "/v1/verify"
	reindexPath = "/v1/reindex"
)

func get[T any](ctx context.Context, c *Client, path string, q params) (Response[T], error) {
	return decode[T](c.read(ctx, http.MethodGet, path, q, nil))
}

func post[T any](ctx context.Context, c *Client, path string, body any) (Response[T], error) {
	data, err := json.Marshal(body)
	if err != nil {
		return Response[T]{}, fmt.Errorf("ask %s: %w", path, err)
	}
	return decode[T](c.read(ctx, http.MethodPost, path, params{}, data))
}

func decode[T any](body []byte, err error) (Response[T], error) {
	out := Response[T]{Body: body}
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(body, &out.Value); err != nil {
		return out, fmt.Errorf("read the API's answer: %w", err)
	}
	return out, nil
}

// within bounds ctx by the client's patience; more is what the API may wait on
// top of that.
func (c *Client) within(ctx context.Context, more time.Duration) (context.Context, context.CancelFunc) {
	if c.patience == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, c.patience+more, ErrNoAnswer)
}

// read answers the whole body of a successful request.
func (c *Client) read(ctx context.Context, method, path string, q params, body []byte) (answer []byte, err error) {
	if !slices.Contains([]string{verifyPath, reindexPath}, path) {
		wait, _ := time.ParseDuration(url.Values(q).Get("wait")) // 0 when there is none
		var cancel context.CancelFunc
		ctx, cancel = c.within(ctx, wait)
		defer cancel()
		defer func() {
			if err != nil && context.Cause(ctx) == ErrNoAnswer {
				err = fmt.Errorf("ask %s%s: %w within %s", c.base, path, ErrNoAnswer, c.patience+wait)
			}
		}()
	}
	res, err := c.send(ctx, method, path, q, body, http.Header{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	if len(data) > maxAnswerBytes {
		return nil, fmt.Errorf("ask %s: the answer is longer than %d bytes; ask for less at once", path, maxAnswerBytes)
	}
	return data, nil
}

// send makes a request; an answer that is not a success is a *Problem.
func (c *Client) send(ctx context.Context, method, path string, q params, body []byte, header http.Header) (*http.Response, error) {
	target := c.base + path
	if len(q) > 0 {
		target += "?" + url.Values(q).Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	req.Header = header
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if wrapped, ok := err.(*url.Error); ok {
			err = wrapped.Err // its text would repeat the query
		}
		return nil, fmt.Errorf("ask %s%s: %w", c.base, path, err)
	}
	if res.StatusCode/100 != 2 {
		return nil, problemOf(res)
	}
	return res, nil
}
