// Package simulator serves the call APIs of five vendors on loopback, as their
// public documentation describes them: same paths, same shapes, same errors,
// and strict about everything a request may contain. It is what the demo, the
// tests and rehearsals talk to. On request it misbehaves in the ways real
// services do.
//
// Everything it serves is invented and follows from Options.Seed, so that the
// same options and clock give the same calls. Truth says what an archive that
// missed nothing must hold.
package simulator

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"callsyncd/call"
)

// Options choose what is simulated. The zero value serves five vendors without
// calls.
type Options struct {
	Seed  uint64
	Calls int // per vendor, at start
	// Vendors limits what is simulated to these; empty means all five.
	Vendors []string
	// Now is the simulator's clock; nil means time.Now.
	Now func() time.Time
	// Span is the past over which the calls at start are spread; 0 means 30
	// days. Some are always within the last 72 hours and some within the last
	// hour, none within the last six minutes.
	Span time.Duration
	// URLLife is how long a signed recording URL is honoured, by the
	// simulator's clock in whole seconds; 0 means one hour.
	URLLife time.Duration
	// Late is the share (0 to 1) of the calls of the last 72 hours, and of those
	// that come by Growth, whose transcript, summary and recording come later:
	// LateAfter after the call's end, or after the simulator's start if that is
	// later. LateAfter 0 means 30 minutes.
	Late      float64
	LateAfter time.Duration
	// Growth is the time between two new calls of each vendor; 0 means none come.
	Growth time.Duration
	// Latency is waited before each API answer.
	Latency time.Duration
	// Budgets enforces the documented request limits.
	Budgets bool
	// Generation is "new" for vendors ("smartalex", "callcamp", "solomobile")
	// that shall answer in their newer documented shape.
	Generation map[string]string
	// PageCap lowers the largest page of a vendor. Where the vendor echoes the
	// page size, the echo tells.
	PageCap map[string]int
	// Order of the lists whose order is undocumented: newest_first (default),
	// oldest_first or shuffled.
	Order  map[string]string
	Faults Faults
}

// Vendor says how one simulated vendor is reached.
type Vendor struct {
	Name string
	// BaseURL is what takes the place of the vendor's own base URL.
	BaseURL string
	// Credentials by the names the vendor descriptions use. The values occur
	// nowhere else, so that finding one in a log or file proves a leak.
	Credentials map[string]string
	// MediaHost is the host and port of the recording URLs.
	MediaHost string
}

// Truth is what an archive must hold about one call once everything has
// arrived. Call.Key, Source, Parts, Version, FirstSeenAt and Recording.File are
// not set; Metadata only where the vendor has a field of that name.
type Truth struct {
	Call  call.Call
	Parts call.PartStates
	// Further are the recordings besides the main one, by label.
	Further map[string]call.Recording
}

// Stats counts what was asked of one vendor.
type Stats struct {
	// Requests by kind: list, detail, transcript, recording, lookup, other.
	Requests map[string]int
	// Rejected counts the 4xx answers that faults did not cause, by reason.
	Rejected map[string]int
	// Faults counts the injected faults by the name of the field of Faults.
	Faults map[string]int
	// MediaCredentials counts requests at the media host that carried
	// credentials. It must stay 0.
	MediaCredentials int
	// MediaDownloads counts recordings served in full, MediaExpired refusals of
	// expired URLs.
	MediaDownloads int
	MediaExpired   int
}

// Simulator is the five vendors and one media host. It is safe for concurrent use.
type Simulator struct {
	options Options
	script  *script
	started time.Time
	worlds  []*world

	mu        sync.Mutex // guards faults and mediaBase
	faults    Faults
	mediaBase string

	servers []*http.Server
	serving sync.WaitGroup
}

// New makes a simulator that does not listen yet. It panics when the options
// name an unknown vendor, generation or order.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Span == 0 {
		o.Span = 30 * 24 * time.Hour
	}
	if o.URLLife == 0 {
		o.URLLife = time.Hour
	}
	if o.LateAfter == 0 {
		o.LateAfter = 30 * time.Minute
	}
	s := &Simulator{options: o, script: loadScript(), started: o.Now().UTC(), faults: o.Faults,
		mediaBase: "https://media.example.com"}
	for _, spec := range specs(o.Generation) {
		if len(o.Vendors) > 0 && !slices.Contains(o.Vendors, spec.name) {
			continue
		}
		s.worlds = append(s.worlds, newWorld(s, spec))
	}
	if err := s.check(); err != nil {
		panic("simulator: " + err.Error())
	}
	return s
}

// check refuses names in the options that would otherwise be ignored.
func (s *Simulator) check() error {
	for name := range s.options.Order {
		order := s.options.Order[name]
		if s.find(name) == nil || !slices.Contains([]string{newestFirst, oldestFirst, shuffled}, order) {
			return fmt.Errorf("order: unknown vendor or order %q: %q", name, order)
		}
	}
	for name := range s.options.PageCap {
		if s.find(name) == nil {
			return fmt.Errorf("page cap: unknown vendor %q", name)
		}
	}
	for name, generation := range s.options.Generation {
		if !slices.Contains([]string{"smartalex", "callcamp", "solomobile"}, name) ||
			!slices.Contains([]string{"", "old", "new"}, generation) {
			return fmt.Errorf("generation: unknown vendor or generation %q: %q", name, generation)
		}
	}
	return nil
}

// find returns the named vendor's world, nil when there is none.
func (s *Simulator) find(name string) *world {
	for _, w := range s.worlds {
		if w.spec.name == name {
			return w
		}
	}
	return nil
}

// must is find for callers whose mistake an unknown name is.
func (s *Simulator) must(name string) *world {
	if w := s.find(name); w != nil {
		return w
	}
	panic("simulator: no vendor named " + name)
}

// Start listens on loopback: one port for each vendor and one for the media
// host. Start and Close are for one goroutine.
func (s *Simulator) Start() error {
	base, err := s.listen(s.MediaHandler())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.mediaBase = base
	s.mu.Unlock()
	for _, w := range s.worlds {
		base, err := s.listen(w)
		if err != nil {
			s.Close()
			return err
		}
		w.setBase(base)
	}
	return nil
}

// listen serves h on a free loopback port and returns its origin.
func (s *Simulator) listen(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("simulator: listen: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.servers = append(s.servers, server)
	s.serving.Go(func() {
		_ = server.Serve(l) // always ends with an error, http.ErrServerClosed after Close
	})
	return "http://" + l.Addr().String(), nil
}

// Close stops listening and waits until nothing is served any more.
func (s *Simulator) Close() error {
	var first error
	for _, server := range s.servers {
		if err := server.Close(); err != nil && first == nil {
			first = fmt.Errorf("simulator: close: %w", err)
		}
	}
	s.servers = nil
	s.serving.Wait()
	return first
}

// Handler serves one vendor without a socket. It panics for unknown vendors.
// Injected connection resets and cut bodies end in a panic with
// http.ErrAbortHandler, as net/http documents it.
func (s *Simulator) Handler(vendor string) http.Handler { return s.must(vendor) }

// Vendors lists the five vendors. Before Start the addresses are of example.com
// hosts that only Handler and MediaHandler answer for.
func (s *Simulator) Vendors() []Vendor {
	var list []Vendor
	for _, w := range s.worlds {
		list = append(list, Vendor{
			Name:        w.spec.name,
			BaseURL:     w.origin() + w.spec.prefix,
			Credentials: w.credentials(),
			MediaHost:   strings.TrimPrefix(strings.TrimPrefix(s.media(), "http://"), "https://"),
		})
	}
	return list
}

// SetFaults replaces the faults from now on.
func (s *Simulator) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// media is the origin of the recording URLs.
func (s *Simulator) media() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mediaBase
}

// now is the simulator's clock in UTC.
func (s *Simulator) now() time.Time { return s.options.Now().UTC() }

// Stats returns the counts of one vendor since New. It panics for unknown vendors.
func (s *Simulator) Stats(vendor string) Stats { return s.must(vendor).counts.snapshot() }
