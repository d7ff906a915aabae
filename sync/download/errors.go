package download

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"syscall"
	"time"

	"callsyncd/call"
)

// StatusError is an answer of the recording host other than the recording. It
// wraps call.ErrExpired when the URL is of no use any more, call.ErrTransient
// when another try later may help, and call.ErrCorrupt when a success has no
// whole recording in it.
type StatusError struct {
	Host   string
	Status int
	// RetryAfter is the delay the host asked for, between a second and an hour;
	// 0 when it gave none.
	RetryAfter time.Duration
	kind       error
	reason     string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("download from %s: status %d: %v", e.Host, e.Status, e.kind)
}

func (e *StatusError) Unwrap() error { return e.kind }

// RetryDelay is RetryAfter.
func (e *StatusError) RetryDelay() time.Duration { return e.RetryAfter }

// PartReason is the word for call.Part.Reason.
func (e *StatusError) PartReason() string { return e.reason }

// excuseBytes is how much of a refusal is looked at, clockExcuse what it says
// when the host's clock or ours is wrong rather than the link too old.
const excuseBytes = 4 << 10

var clockExcuse = regexp.MustCompile(`(?i)TooSkewed|not yet valid|NotYetValid`)

// statusError turns an answer other than 200 into an error. It reads some of
// body, the answer's.
func statusError(response *http.Response, body io.Reader, now time.Time) *StatusError {
	e := &StatusError{Host: response.Request.URL.Host, Status: response.StatusCode, kind: call.ErrTransient,
		reason: fmt.Sprintf("http_%d", response.StatusCode)}
	switch status := response.StatusCode; {
	case status < http.StatusMultipleChoices:
		e.kind, e.reason = call.ErrCorrupt, "corrupt"
	case status == http.StatusForbidden && saysClock(body):
		e.reason = "clock_skew"
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusNotFound, status == http.StatusGone:
		e.kind, e.reason = call.ErrExpired, "expired"
	default:
		e.RetryAfter, _ = call.RetryAfter(response.Header.Get("Retry-After"), now)
	}
	return e
}

func saysClock(body io.Reader) bool {
	text, _ := io.ReadAll(io.LimitReader(body, excuseBytes)) // what came says enough
	return clockExcuse.Match(text)
}

// networkError describes err without its text where that may quote the URL or
// the host's bytes. It is call.ErrRefused when an address was refused, cause
// when the context ended, else call.ErrTransient.
func networkError(cause error, host string, err error) error {
	var opErr *net.OpError
	if errors.Is(err, call.ErrRefused) && errors.As(err, &opErr) {
		return fmt.Errorf("download from %s: %w", host, opErr.Err)
	}
	if cause != nil {
		return fmt.Errorf("download from %s: %w", host, cause)
	}
	return &unreachableError{fmt.Errorf("download from %s: %w: %w", host, describe(err), call.ErrTransient)}
}

// unreachableError is a network error, with the word for call.Part.Reason.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() error      { return e.error }
func (e *unreachableError) PartReason() string { return "host_unreachable" }

// describe finds the part of a network error that is safe to show.
func describe(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.ErrUnexpectedEOF
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New("resolve name: " + dns.Err)
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificate
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errors.New("timed out")
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert
	}
	if errors.Is(err, io.EOF) {
		return errors.New("connection closed")
	}
	return errors.New("connection or answer broken")
}
