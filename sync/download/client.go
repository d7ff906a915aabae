// Package download fetches recordings from the hosts vendors keep them on.
//
// It knows no credentials: its requests carry nothing but the signed URL. It
// connects to public addresses only, whatever a name resolves to, unless an
// address is explicitly allowed; it ignores proxy settings, because behind a
// proxy that check would mean nothing.
package download

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"callsyncd/call"
)

const (
	maxRedirects      = 3
	maxHeaderBytes    = 64 << 10
	headerTimeout     = 30 * time.Second
	dialTimeout       = 15 * time.Second
	idleTimeout       = 30 * time.Second
	defaultMaxBytes   = 2 << 30
	defaultMinRate    = 8 << 10
	defaultRateWindow = 30 * time.Second
	defaultMaxTime    = time.Hour
)

// Options of a client. The zero value is usable.
type Options struct {
	// Allow lists what may be reached although private, and with plain http:
	// host names ("media.local", "localhost"), host:port pairs, IP addresses and
	// CIDRs. Plain http needs the host itself to be listed, or to be an address
	// inside a listed CIDR.
	Allow []string
	// MaxBytes is the largest recording accepted; 0 means 2 GiB.
	MaxBytes int64
	// MinRate is the fewest bytes per second, averaged over each RateWindow,
	// that a transfer may make; 0 means 8 KiB/s over 30 s.
	MinRate    int64
	RateWindow time.Duration
	// MaxTime bounds a whole transfer; 0 means one hour.
	MaxTime time.Duration
	// Log may be nil.
	Log *slog.Logger
}

// Client downloads recordings. It is safe for concurrent use. Bytes a host sends
// beyond its answer are quoted by net/http on the standard logger of package
// log, which a program should therefore discard.
type Client struct {
	options   Options
	allow     allowList
	transport *http.Transport
	resolver  *net.Resolver // nil outside tests
	log       *slog.Logger
}

// New makes a client. An entry of Allow that is no host, address or CIDR is an
// error.
func New(o Options) (*Client, error) {
	allow, err := parseAllow(o.Allow)
	if err != nil {
		return nil, err
	}
	setDefault(&o.MaxBytes, defaultMaxBytes)
	setDefault(&o.MinRate, defaultMinRate)
	setDefault(&o.RateWindow, defaultRateWindow)
	setDefault(&o.MaxTime, defaultMaxTime)
	c := &Client{options: o, allow: allow, log: o.Log}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if len(o.Allow) > 0 {
		c.log.Warn("recordings may come from private addresses", "allow_private_hosts", o.Allow)
	}
	c.transport = &http.Transport{
		Proxy:                  nil,
		DialContext:            c.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		IdleConnTimeout:        idleTimeout,
		DisableCompression:     true,
	}
	return c, nil
}

func setDefault[T int64 | time.Duration](v *T, standard T) {
	if *v <= 0 {
		*v = standard
	}
}

// Close ends idle connections. Bodies still open stay readable.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// dial connects to an address only after seeing it resolved, on every attempt,
// so that a name cannot change its mind between check and use.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	listed := c.allow.lists(splitHostPort(address))
	dialer := net.Dialer{
		Timeout:  dialTimeout,
		Resolver: c.resolver,
		Control: func(_, resolved string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return fmt.Errorf("address not understood: %w", call.ErrRefused)
			}
			if !listed && !c.allow.contains(at.Addr()) && !isPublic(at.Addr()) {
				return fmt.Errorf("address %s is not public: %w", at.Addr(), call.ErrRefused)
			}
			return nil
		},
	}
	return dialer.DialContext(ctx, network, address)
}

// Response is a recording on its way.
type Response struct {
	// Body must be closed. Its errors never show the URL: call.ErrTransient when
	// the transfer broke off or became too slow, io.ErrUnexpectedEOF besides when
	// it ended before its announced length; call.ErrRefused beyond
	// Options.MaxBytes; call.ErrCorrupt when its compression is broken.
	Body io.ReadCloser
	// Expect is what the host announced about Body. Its FromBytes is not 0 when
	// Body goes on where the part at hand ends.
	Expect call.MediaExpect
	// Date is the host's clock; zero when it gave none.
	Date time.Time
}

// Get asks for a recording and returns it once its headers have come. ctx
// bounds the whole transfer, the reading of the body too. have is the beginning
// of it that is at hand, if any: the rest is asked for, and taken only from a
// host that proves it to be the rest of the same bytes. Else Get returns the
// whole recording.
//
// call.ErrExpired (400, 401, 403, 404, 410) asks for a fresh URL, the same one
// is of no use any more; call.ErrTransient (other statuses, network) for
// another try later, with the delay in *StatusError when the host gave one;
// call.ErrRefused means that the URL or a redirect leads where we do not go;
// call.ErrCorrupt that the answer makes no sense; the cause of ctx that it has
// ended. Error texts name the host only.
func (c *Client) Get(ctx context.Context, signed call.SignedURL, have call.MediaPart) (*Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	transfer := newTransfer(c.options, cancel)
	response, have, err := c.ask(ctx, signed.Reveal(), have)
	if err != nil {
		transfer.stop()
		return nil, err
	}
	answer, err := c.open(ctx, transfer, response, have)
	if err != nil {
		transfer.stop()
		_ = response.Body.Close()
		return nil, err
	}
	return answer, nil
}

// follow makes the request and those it is redirected to. Each is a new one
// that carries nothing over from the one before.
func (c *Client) follow(ctx context.Context, raw string, have call.MediaPart) (*http.Response, error) {
	target, err := c.parseURL(raw)
	if err != nil {
		return nil, err
	}
	for range maxRedirects + 1 {
		response, err := c.request(ctx, target, have)
		if err != nil {
			return nil, err
		}
		if !isRedirect(response) {
			return response, nil
		}
		_ = response.Body.Close()
		from := target.Host
		if target, err = c.redirected(target, response.Header.Get("Location")); err != nil {
			return nil, fmt.Errorf("download from %s: redirect: %w", from, err)
		}
	}
	return nil, fmt.Errorf("download from %s: more than %d redirects: %w", target.Host, maxRedirects, call.ErrRefused)
}

func isRedirect(r *http.Response) bool {
	switch r.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirected resolves a Location header and checks where it leads.
func (c *Client) redirected(from *url.URL, location string) (*url.URL, error) {
	if location == "" {
		return nil, fmt.Errorf("without a target: %w", call.ErrRefused)
	}
	to, err := from.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("target is not a URL: %w", call.ErrRefused)
	}
	return c.parseURL(to.String())
}

// request makes one request. The transport is used directly because a client
// would put the URL into every error, and headers into redirects.
func (c *Client) request(ctx context.Context, target *url.URL, have call.MediaPart) (*http.Response, error) {
	request := (&http.Request{
		Method: http.MethodGet,
		URL:    target,
		Host:   target.Host,
		Header: http.Header{"User-Agent": {"callsyncd"}, "Accept": {"*/*"}, "Accept-Encoding": {"identity"}},
	}).WithContext(ctx)
	if have.Bytes > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", have.Bytes))
		request.Header.Set("If-Range", have.ETag)
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, networkError(context.Cause(ctx), target.Host, err)
	}
	c.log.Debug("recording host answered", "host", target.Host, "status", response.StatusCode)
	return response, nil
}
