package provider

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"callsyncd/call"
)

// maxTries bounds how often one request is made.
const maxTries = 4

// refusals is how often an answer that refuses our credentials must come before
// it is believed: vendors give one now and then while they restart.
const refusals = 2

// patience is the longest Retry-After waited for here; longer ones are left to
// the engine, which has other things to do.
const patience = 30 * time.Second

// maxRedirects bounds a chain of redirects within the API's own origin.
const maxRedirects = 3

// outgoing is a request ready to be sent, as often as needed.
type outgoing struct {
	method, url string
	body        []byte // JSON; nil without body
}

// reply is an answer that was understood.
type reply struct {
	answer
	status    int
	fetchedAt time.Time
}

// signer adds our headers to requests for the API's own origin, and refuses
// all others.
type signer struct {
	next   http.RoundTripper
	origin string
	header func() http.Header
}

func (s *signer) RoundTrip(r *http.Request) (*http.Response, error) {
	if origin(r.URL) != s.origin {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fmt.Errorf("%w: request to another address than the API's own", call.ErrRefused)
	}
	signed := r.Clone(r.Context())
	signed.Header.Del("Referer")
	for name, value := range s.header() {
		signed.Header[name] = value
	}
	return s.next.RoundTrip(signed)
}

func (p *Provider) checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case origin(r.URL) != origin(p.base):
		return fmt.Errorf("%w: the API redirects to another address, on host %s", call.ErrRefused, r.URL.Hostname())
	case r.Method != via[0].Method:
		return fmt.Errorf("%w: the API redirects a %s to a %s", call.ErrRefused, via[0].Method, r.Method)
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: the API redirects too often", call.ErrRefused)
	}
	return nil
}

// build turns a request of the description into one that can be sent. id may
// be empty; params join the query of a GET and the body of a POST.
func (p *Provider) build(r *request, id call.ID, params map[string]any) (outgoing, error) {
	if id == "." || id == ".." {
		return outgoing{}, fmt.Errorf("%w: call id %q would change the path", call.ErrRefused, string(id))
	}
	query := url.Values{}
	for name, value := range r.Query {
		query.Set(name, value)
	}
	out := outgoing{method: http.MethodGet}
	if r.Method == http.MethodPost {
		out.method = http.MethodPost
		body, _ := insertID(r.Body, id).(map[string]any)
		for name, value := range params {
			body[name] = value
		}
		text, err := json.Marshal(body)
		if err != nil {
			return outgoing{}, err
		}
		out.body = text
	} else {
		for name, value := range params {
			query.Set(name, fmt.Sprint(value))
		}
	}
	out.url = p.base.String() + strings.ReplaceAll(r.Path, "{id}", url.PathEscape(string(id)))
	if len(query) > 0 {
		out.url += "?" + query.Encode()
	}
	return out, nil
}

// insertID copies a body with {id} replaced. A nil map becomes an empty one.
func insertID(v any, id call.ID) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "{id}", string(id))
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, value := range v {
			object[name] = insertID(value, id)
		}
		return object
	case []any:
		array := make([]any, len(v))
		for i, value := range v {
			array[i] = insertID(value, id)
		}
		return array
	}
	return v
}

// ask sends a request until it is answered well, refused for good, or tried
// maxTries times. meaningful, when not nil, says which 404 and 410 answers are
// answers and not errors.
func (p *Provider) ask(ctx context.Context, op string, out outgoing, meaningful func(status int, body any) bool) (reply, error) {
	var last *Error
	refused := 0
	pause := &call.Paced{Ctx: ctx, Clock: p.clock, Pauses: backoff.NewExponentialBackOff()}
	r, err := backoff.Retry(ctx, func() (reply, error) {
		r, failure, again := p.attempt(ctx, out, meaningful)
		if failure == nil {
			return r, nil
		}
		failure.Op, failure.Source = op, p.source
		last = failure
		if failure.Status == http.StatusUnauthorized {
			refused++
			again = refused < refusals
		}
		switch {
		case !again:
			return reply{}, backoff.Permanent(failure)
		case failure.RetryAfter > 0:
			return reply{}, &backoff.RetryAfterError{Duration: failure.RetryAfter}
		}
		return reply{}, failure
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(0))
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return reply{}, &Error{Op: op, Source: p.source, Err: context.Cause(ctx)}
	}
	return reply{}, last
}

// attempt sends a request once. again says whether trying again may help.
func (p *Provider) attempt(ctx context.Context, out outgoing, meaningful func(int, any) bool) (r reply, failure *Error, again bool) {
	request, err := http.NewRequestWithContext(ctx, out.method, out.url, bytes.NewReader(out.body))
	if err != nil {
		return reply{}, &Error{Err: fmt.Errorf("%w: not a usable address", call.ErrRefused)}, false
	}
	if out.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := p.client.Do(request)
	if err != nil {
		failure = p.networkError(err)
		return reply{}, failure, failure.Err == call.ErrTransient && !distrusted(err)
	}
	defer response.Body.Close()
	body, release, err := readBody(ctx, response)
	keep := false
	defer func() { release(keep) }()
	body = p.withoutSecrets(body)
	fetchedAt := p.answeredAt(response)
	if response.StatusCode/100 != 2 {
		return p.refusal(response, body, fetchedAt, meaningful)
	}
	if err != nil {
		return reply{}, p.bodyError(err), !errors.Is(err, errTooLarge) && !errors.Is(err, errRatio)
	}
	if len(body) > heavyBody {
		done, ok := heavy.Take(call.WithoutHold(ctx))
		if !ok {
			return reply{}, p.bodyError(errBusy), true
		}
		defer done(false)
	}
	parsed, err := parseJSON(body)
	if err != nil {
		if err == errTooMany {
			return reply{}, &Error{Message: err.Error(), Err: call.ErrTooLarge}, false
		}
		return reply{}, &Error{Message: err.Error(), Err: call.ErrCorrupt}, true
	}
	keep = true
	return reply{answer: parsed, fetchedAt: fetchedAt}, nil, false
}

// answeredAt is the vendor's clock, else ours.
func (p *Provider) answeredAt(response *http.Response) time.Time {
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		return at.UTC()
	}
	return p.clock.Now().UTC()
}

// networkError keeps what went wrong on the way, without the URL it happened to.
func (p *Provider) networkError(err error) *Error {
	if wrapper, ok := errors.AsType[*url.Error](err); ok {
		err = wrapper.Err
	}
	if budget, ok := errors.AsType[*call.BudgetError](err); ok {
		return &Error{Err: budget}
	}
	if errors.Is(err, call.ErrRefused) {
		return &Error{Message: p.clean(strings.TrimPrefix(err.Error(), call.ErrRefused.Error()+": ")), Err: call.ErrRefused,
			Hint: "check base_url of source " + string(p.source)}
	}
	failure := &Error{Message: p.clean(err.Error()), Err: call.ErrTransient}
	if unreachable(err) {
		failure.Hint = fmt.Sprintf("check this machine's network, proxy and firewall, and base_url of source %s", p.source)
	}
	if distrusted(err) {
		failure.Hint = fmt.Sprintf("nothing was sent there and nothing will be while it is so; check base_url of source %s and this machine's clock and certificates, else ask the vendor", p.source)
	}
	return failure
}

// unreachable reports that no connection was made: the host has no address, or
// nothing answers there.
func unreachable(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// distrusted reports a host that could not prove who it is. That may pass, but
// not at once.
func distrusted(err error) bool {
	_, unproved := errors.AsType[*tls.CertificateVerificationError](err)
	return unproved
}

// bodyError tells a broken connection from a broken answer.
func (p *Provider) bodyError(err error) *Error {
	if errors.Is(err, errTooLarge) {
		return &Error{Message: err.Error(), Err: call.ErrTooLarge}
	}
	_, broken := errors.AsType[flate.CorruptInputError](err)
	for _, corrupt := range []error{errRatio, errEncoding, gzip.ErrHeader, gzip.ErrChecksum} {
		broken = broken || errors.Is(err, corrupt)
	}
	if broken {
		return &Error{Message: err.Error(), Err: call.ErrCorrupt}
	}
	return &Error{Message: p.clean(err.Error()), Err: call.ErrTransient}
}

// refusal makes an answer that is not a 2xx an error, or a reply when the
// description says that it means something.
func (p *Provider) refusal(response *http.Response, body []byte, at time.Time, meaningful func(int, any) bool) (reply, *Error, bool) {
	status := response.StatusCode
	parsed, err := parseJSON(body)
	if err != nil {
		parsed = textAnswer(body)
	}
	gone := status == http.StatusNotFound || status == http.StatusGone
	if gone && meaningful != nil && meaningful(status, parsed.value) {
		return reply{answer: parsed, status: status, fetchedAt: at}, nil, false
	}
	failure := &Error{Status: status, Message: p.vendorMessage(parsed.value), Err: errNotAccepted}
	switch {
	case status == http.StatusUnauthorized:
		failure.Err, failure.Hint = call.ErrUnauthorized, fmt.Sprintf("check the credentials of source %s (%s)", p.source, p.d.wants())
	case status == http.StatusForbidden:
		failure.Err, failure.Hint = call.ErrUnauthorized, fmt.Sprintf("the credentials of source %s may lack a permission, or belong to another account", p.source)
	case gone:
		failure.Err = call.ErrNotFound
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500:
		failure.Err = call.ErrTransient
		p.waitFor(failure, response)
		return reply{}, failure, failure.Err == call.ErrTransient
	}
	return reply{}, failure, false
}

// errNotAccepted is a 4xx that will not get better by itself.
var errNotAccepted = errors.New("request not accepted")

// waitFor obeys Retry-After: a short one is waited for, a long one spends the budget.
func (p *Provider) waitFor(failure *Error, response *http.Response) {
	now := p.clock.Now().UTC()
	wait, ok := call.RetryAfter(response.Header.Get("Retry-After"), now)
	if !ok {
		return
	}
	failure.RetryAfter = wait
	if wait > patience {
		failure.Err = &call.BudgetError{Source: p.source, Until: now.Add(wait), Why: "the vendor's Retry-After"}
	}
}

// textAnswer is an error answer that is not JSON, kept as a JSON string.
func textAnswer(body []byte) answer {
	const enough = 4 << 10
	text := strings.ToValidUTF8(string(body[:min(len(body), enough)]), "�")
	raw, _ := json.Marshal(text) // a string always marshals
	return answer{raw: raw, value: text}
}

// vendorMessage takes the vendor's words out of an error answer.
func (p *Provider) vendorMessage(body any) string {
	ctx := context.Background()
	v, err := p.d.spec.Error.eval(ctx, body)
	message, _ := v.(string)
	if err != nil {
		return ""
	}
	return p.clean(message)
}
