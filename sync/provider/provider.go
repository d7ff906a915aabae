package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callsyncd/call"
)

// Options bind a description to one account.
type Options struct {
	Source call.SourceID
	// BaseURL replaces the description's own; empty keeps it.
	BaseURL     string
	Credentials map[string]call.Secret
	// Offline is for a provider that is asked about its vendor only: Credentials
	// are not looked at, and every request fails.
	Offline bool
	// Transport makes the requests; nil means the network. It may answer with
	// a *call.BudgetError, which is returned at once.
	Transport http.RoundTripper
	UserAgent string
	Log       *slog.Logger // nil logs nothing
	// Clock is what time it is; nil means the machine's.
	Clock call.Clock
}

// Provider reads one account at one vendor. It is safe for concurrent use.
type Provider struct {
	d      *Description
	source call.SourceID
	base   *url.URL
	client *http.Client
	log    *slog.Logger
	clock  call.Clock
	auth   atomic.Pointer[auth]

	lookups atomic.Pointer[map[string]any] // decoded tables, replaced as a whole
	mu      sync.Mutex
	tables  map[string]any // guarded by mu; the source of lookups
	misses  *misses
	odd     map[string]int // guarded by mu; fields whose expression failed, counted
}

// New binds a description to an account. It refuses missing and unknown
// credentials, and a plain http address that is not loopback.
func New(d *Description, o Options) (*Provider, error) {
	base := o.BaseURL
	if base == "" {
		base = d.spec.BaseURL
	}
	u, err := parseBase(base)
	if err != nil {
		return nil, fmt.Errorf("source %s: base_url: %w", o.Source, err)
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), ""
	if o.Offline {
		o.Credentials, o.Transport = nil, offline{}
	} else if err := checkCredentials(d, o); err != nil {
		return nil, err
	}
	p := &Provider{d: d, source: o.Source, base: u, log: o.Log, tables: map[string]any{}, misses: newMisses(), odd: map[string]int{}}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.log = p.log.With("source", o.Source)
	p.authorize(o)
	p.lookups.Store(&map[string]any{ownKey: p.misses})
	if p.clock = o.Clock; p.clock == nil {
		p.clock = call.RealClock{}
	}
	next := o.Transport
	if next == nil {
		next = http.DefaultTransport.(*http.Transport).Clone()
	}
	p.client = &http.Client{
		Transport:     &signer{next: next, origin: origin(u), header: func() http.Header { return p.auth.Load().header }},
		CheckRedirect: p.checkRedirect,
	}
	return p, nil
}

// offline is a network that is not there.
type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no requests are made here")
}

// auth is what the credentials of the moment come to.
type auth struct {
	options Options
	header  http.Header
	secrets []string // all credentials we ever had in all their writings, longest first
	hidden  []string // those of them to be taken out of answers
}

func (p *Provider) authorize(o Options) {
	a := &auth{options: o, header: p.d.header(o)}
	a.secrets, a.hidden = secretsOf(p.d, o.Credentials)
	if before := p.auth.Load(); before != nil {
		a.secrets, a.hidden = longestFirst(append(a.secrets, before.secrets...)), longestFirst(append(a.hidden, before.hidden...))
	}
	p.auth.Store(a)
}

// Reauthorize uses other credentials from the next request on. It reports whether
// they differ from those it had; its error is that of New.
func (p *Provider) Reauthorize(credentials map[string]call.Secret) (changed bool, err error) {
	o := p.auth.Load().options
	if maps.Equal(o.Credentials, credentials) {
		return false, nil
	}
	o.Credentials = maps.Clone(credentials)
	if err := checkCredentials(p.d, o); err != nil {
		return false, err
	}
	p.authorize(o)
	return true, nil
}

func checkCredentials(d *Description, o Options) error {
	given := maps.Clone(o.Credentials)
	maps.DeleteFunc(given, func(_ string, secret call.Secret) bool { return secret == "" })
	if err := d.CheckCredentials(o.Source, sortedKeys(given)); err != nil {
		return err
	}
	for _, name := range sortedKeys(o.Credentials) {
		if secret := o.Credentials[name].Reveal(); strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("source %s: credential %q holds a control character, such as a line break", o.Source, name)
		}
	}
	return nil
}

// CheckCredentials reports every credential that is missing from those given, and
// every one that is unknown.
func (d *Description) CheckCredentials(source call.SourceID, given []string) error {
	var errs []error
	for _, c := range d.Credentials() {
		if !c.Optional && !slices.Contains(given, c.Name) {
			errs = append(errs, fmt.Errorf("source %s: credential %q is missing; %s wants %s", source, c.Name, d.Name(), d.wants()))
		}
	}
	for _, name := range given {
		if _, known := d.spec.Credentials[name]; !known {
			errs = append(errs, fmt.Errorf("source %s: credential %q is unknown; %s wants %s", source, name, d.Name(), d.wants()))
		}
	}
	return errors.Join(errs...)
}

// wants lists the credentials in words.
func (d *Description) wants() string {
	var list []string
	for _, c := range d.Credentials() {
		if c.Optional {
			list = append(list, c.Name+" (optional)")
		} else {
			list = append(list, c.Name)
		}
	}
	return strings.Join(list, ", ")
}

// header fills the header templates. A header that needs an absent optional
// credential is left out.
func (d *Description) header(o Options) http.Header {
	header := http.Header{"Accept": {"application/json"}, "Accept-Encoding": {"gzip"}}
	if o.UserAgent != "" {
		header.Set("User-Agent", o.UserAgent)
	}
	for name, template := range d.spec.Headers {
		complete := true
		value := insertForm.ReplaceAllStringFunc(template, func(insert string) string {
			secret := o.Credentials[strings.Trim(insert, "{}")].Reveal()
			complete = complete && secret != ""
			return secret
		})
		if complete {
			header.Set(name, value)
		}
	}
	return header
}

// Info says what the engine must know about the vendor.
func (p *Provider) Info() call.ProviderInfo {
	l := &p.d.spec.List
	info := call.ProviderInfo{
		Name: p.d.spec.Name, Title: p.d.spec.Title, BaseURL: p.base.String(),
		Paging: call.Paging(l.Paging.Kind), FirstPage: l.Paging.firstPage(),
		PageSize: l.Paging.Rows, MinSize: l.Paging.MinRows, MaxBytes: maxBody,
		Order: call.OrderUnknown, Window: l.Window != nil,
		Mapping: p.d.hash, Hosts: []string{p.base.Scheme + "://" + p.base.Host}, Lookups: sortedKeys(p.d.spec.Lookups),
	}
	if info.MinSize == 0 {
		info.MinSize = info.PageSize
	}
	if l.Order != nil {
		info.Order, info.OrderField = call.Order(l.Order.Is), string(l.Order.By)
	}
	if l.Window != nil {
		info.WindowOverlap = time.Duration(l.Window.Overlap)
	}
	info.Budgets = p.d.Budgets()
	return info
}

// Check makes one cheap request that needs our credentials: a list of one call.
func (p *Provider) Check(ctx context.Context) error {
	out, err := p.pageRequest(&p.d.spec.List.request, p.d.spec.List.Paging, call.ListRequest{Size: 1}, nil)
	if err != nil {
		return err
	}
	r, err := p.ask(ctx, "ask for one call", out, nil)
	if err != nil {
		return err
	}
	_, _, err = p.rows(ctx, "ask for one call", r, p.d.spec.List.Items)
	return err
}

// oddData counts and logs a field whose expression could not digest a vendor's
// data: at the first time, and then ever more rarely. It says nothing about the
// data itself, which may be anything people said.
func (p *Provider) oddData(ctx context.Context, field string) {
	p.mu.Lock()
	p.odd[field]++
	n := p.odd[field]
	p.mu.Unlock()
	if n == 1 || n == 10 || n == 100 || n%1000 == 0 {
		p.log.WarnContext(ctx, "field not understood", "field", field, "count", n)
	}
}
