package service

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"callsyncd/call"
	"callsyncd/config"
	callsync "callsyncd/sync"
	"callsyncd/sync/download"
	"callsyncd/sync/provider"
)

// maxBudgetWait is how long a request waits for its budget before the work it
// belongs to is put off instead.
const maxBudgetWait = 2 * time.Minute

// source is one configured account with what works on it.
type source struct {
	config   *config.Source
	secrets  map[string]call.Secret // as they were at the start
	provider *provider.Provider
	budget   *callsync.Budget
	engine   *callsync.Engine
	download downloader
	rounds   rounds
}

// newSource loads a source's vendor description and resolves its credentials,
// without any request. For reading alone it leaves the credentials where they are.
func newSource(cfg *config.Config, c *config.Source, log *slog.Logger, version string, clock call.Clock, reading bool) (*source, error) {
	description, err := provider.Load(c.Provider)
	if err != nil {
		return nil, err
	}
	var credentials map[string]call.Secret
	if !reading {
		if credentials, err = c.Secrets(nil); err != nil {
			return nil, errors.Join(err, description.CheckCredentials(c.Name, slices.Sorted(maps.Keys(c.Credentials))))
		}
	}
	s := &source{config: c, secrets: credentials}
	s.budget = callsync.NewBudget(c.Name, limits(c, description), maxBudgetWait)
	s.budget.Use(clock)
	s.provider, err = provider.New(description, provider.Options{
		Source: c.Name, BaseURL: c.BaseURL, Credentials: credentials, Offline: reading,
		Transport: s.budget.Transport(apiTransport()), UserAgent: "callsyncd/" + version, Log: log, Clock: clock,
	})
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	client, err := download.New(download.Options{Allow: c.AllowPrivateHosts, MaxTime: transferTime(cfg.Recordings), Log: log})
	if err != nil {
		return nil, fmt.Errorf("source %s: allow_private_hosts: %w", c.Name, err)
	}
	s.download = downloader{client}
	return s, nil
}

// largest is the size of a recording that arrives in time at any allowed rate.
const largest = 2 << 30

// transferTime bounds one transfer: an hour, and what our own limit of the rate
// adds for the largest recording.
func transferTime(r config.Recordings) time.Duration {
	if r.MaxBytesPerSecond == 0 {
		return time.Hour
	}
	return time.Hour + time.Duration(largest/r.MaxBytesPerSecond*int64(r.Parallel))*time.Second
}

// limits are the configured budgets, else the vendor's own.
func limits(c *config.Source, d *provider.Description) []call.RateLimit {
	if len(c.Budgets) > 0 {
		return c.Budgets
	}
	return d.Budgets()
}

// apiTransport is the way to vendor APIs.
func apiTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  60 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // the provider unpacks, with limits
		ForceAttemptHTTP2:      true,
	}
}

// secretsEvery is how often the secrets of a refused source are read again.
const secretsEvery = 30 * time.Second

// watchSecrets reads the secrets of a source again while its vendor refuses
// them, until ctx ends. Changed ones are tried at once, by a round.
func (s *source) watchSecrets(ctx context.Context, clock call.Clock, log *slog.Logger) error {
	log = log.With("source", string(s.config.Name))
	said := ""
	for {
		if err := clock.Wait(ctx, secretsEvery, nil); err != nil {
			return err
		}
		if !s.engine.Refused() {
			continue
		}
		changed, err := s.readSecrets()
		switch {
		case err != nil && err.Error() != said:
			said = err.Error()
			log.Warn("secrets not read again", "err", err)
		case changed:
			log.Info("the secrets have changed, trying them")
			s.rounds.ask(false, "")
		}
	}
}

// readSecrets takes the secrets from where the configuration points.
func (s *source) readSecrets() (changed bool, err error) {
	credentials, err := s.config.SecretsAgain(s.secrets)
	if err != nil {
		return false, err
	}
	return s.provider.Reauthorize(credentials)
}

func (s *source) engineSource() callsync.Source {
	return callsync.Source{
		ID: s.config.Name, Provider: s.provider, Budget: s.budget, Since: s.config.Since,
		Horizon: s.config.LateHorizon, Concurrency: s.config.Concurrency, Recordings: s.config.Recordings,
	}
}

func (s *source) close() { s.download.client.Close() }

// downloader shows the download client to the engine.
type downloader struct{ client *download.Client }

func (d downloader) Get(ctx context.Context, url call.SignedURL, have call.MediaPart) (io.ReadCloser, call.MediaExpect, error) {
	resp, err := d.client.Get(ctx, url, have)
	if err != nil {
		return nil, call.MediaExpect{}, err
	}
	return resp.Body, resp.Expect, nil
}

// rounds are the complete rounds somebody asked for through the API.
type rounds struct {
	mu       sync.Mutex
	done     int
	wanted   bool
	full     bool
	accepted string // who accepts that calls vanished; empty for nobody
	running  bool
	changed  int           // calls, in the last one
	requests chan struct{} // made by the daemon; nil without one
}

// ask wants a round; rounds asked for while one waits to begin are one.
func (r *rounds) ask(full bool, accepted string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted, r.full, r.accepted = true, r.full || full, cmp.Or(accepted, r.accepted)
	select {
	case r.requests <- struct{}{}:
	default:
	}
}

// begin takes what was asked for.
func (r *rounds) begin() (full bool, accepted string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	full, accepted, ok = r.full, r.accepted, r.wanted
	r.wanted, r.full, r.accepted, r.running = false, false, "", ok
	return full, accepted, ok
}

func (r *rounds) end(report call.SourceReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running, r.changed = false, report.Changed
	r.done++
}

// round does one complete round, in which any number of calls may have vanished
// at the vendor when somebody accepts that.
func (s *source) round(ctx context.Context, full bool, accepted string) call.SourceReport {
	if accepted != "" {
		return s.engine.RoundAccepting(ctx, accepted)
	}
	return s.engine.Round(ctx, full)
}

// state reports the rounds done, the calls changed in the last one, and whether
// one runs or waits.
func (r *rounds) state() (done, changed int, busy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done, r.changed, r.running || r.wanted
}

// CheckSources proves offline that every source can be opened: its description
// is sound, its base URL fits and, unless it is for reading alone, its
// credentials are at hand.
func CheckSources(cfg *config.Config, reading bool) error {
	var errs []error
	for i := range cfg.Sources {
		errs = append(errs, checkSource(cfg, &cfg.Sources[i], reading))
	}
	return errors.Join(errs...)
}

// CheckSource proves offline that a source can be opened, credentials included.
func CheckSource(c *config.Source) error { return checkSource(&config.Config{}, c, false) }

func checkSource(cfg *config.Config, c *config.Source, reading bool) error {
	s, err := newSource(cfg, c, slog.New(slog.DiscardHandler), "", call.RealClock{}, reading)
	if err != nil {
		return err
	}
	s.close()
	return nil
}

// SourceCheck is the outcome of one request to a source's vendor.
type SourceCheck struct {
	Source  call.SourceID
	BaseURL string
	Err     error
	Hint    string
}

// CheckOnline asks every vendor for one call.
func CheckOnline(ctx context.Context, cfg *config.Config, version string) []SourceCheck {
	checks := make([]SourceCheck, len(cfg.Sources))
	var wg sync.WaitGroup
	for i := range cfg.Sources {
		wg.Go(func() { checks[i] = checkOnline(ctx, cfg, &cfg.Sources[i], version) })
	}
	wg.Wait()
	return checks
}

func checkOnline(ctx context.Context, cfg *config.Config, c *config.Source, version string) SourceCheck {
	check := SourceCheck{Source: c.Name}
	s, err := newSource(cfg, c, slog.New(slog.DiscardHandler), version, call.RealClock{}, false)
	if err != nil {
		check.Err = err
		return check
	}
	defer s.close()
	check.BaseURL = s.provider.Info().BaseURL
	check.Err = s.provider.Check(ctx)
	if failure, ok := errors.AsType[*provider.Error](check.Err); ok {
		check.Hint = failure.Hint
	}
	return check
}

// loopbackHosts are the Host values under which a loopback address is reached.
func loopbackHosts(addr net.Addr) []string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil
	}
	hosts := []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port), net.JoinHostPort("localhost", port)}
	if own := addr.String(); !slices.Contains(hosts, own) {
		hosts = append(hosts, own)
	}
	return hosts
}
