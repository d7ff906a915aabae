package download

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("download from %s: status %d: %v", e.Host, e.Status, e.kind)
}

func (e *StatusError) Unwrap() error { return e.kind }

// statusError turns an answer other than 200 into an error.
func statusError(response *http.Response, now time.Time) *StatusError {
	e := &StatusError{Host: response.Request.URL.Host, Status: response.StatusCode, kind: call.ErrTransient}
	switch status := response.StatusCode; {
	case status < http.StatusMultipleChoices:
		e.kind = call.ErrCorrupt
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusNotFound, status == http.StatusGone:
		e.kind = call.ErrExpired
	default:
		e.RetryAfter, _ = call.RetryAfter(response.Header.Get("Retry-After"), now)
	}
	return e
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
	return fmt.Errorf("download from %s: %w: %w", host, describe(err), call.ErrTransient)
}

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
