package simulator

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults are the ways to misbehave. Numbers between 0 and 1 are shares of the
// requests or calls concerned. The seed decides which ones, by what is asked for
// and how often it was asked for before, so that a client meets the same faults
// every time, whatever it asks for at the same time.
type Faults struct {
	// Vendors limits everything below to these vendors; empty means all.
	Vendors []string

	// Outage closes every connection without an answer, at the media host too.
	Outage bool
	// ErrorRate answers 500.
	ErrorRate float64
	// ConnectionReset closes the connection without an answer.
	ConnectionReset float64
	// SlowBody sends the second half of an answer SlowBodyDelay later (0 means
	// two seconds).
	SlowBody      float64
	SlowBodyDelay time.Duration
	// TruncatedJSON answers 200 with the first half of the body.
	TruncatedJSON float64
	// HTMLInsteadOfJSON answers 200 with a login page.
	HTMLInsteadOfJSON float64
	// TooManyRequests answers 429 with the Retry-After header of RetryAfter:
	// "seconds" (also when empty), "date", "none", or any other value, which is
	// sent as it is. The first two name RetryDelay (0 means one second). Several,
	// separated by |, take turns.
	TooManyRequests float64
	RetryAfter      string
	RetryDelay      time.Duration
	// CredentialsRefused names vendors that answer 401 to everything.
	CredentialsRefused []string

	// EchoCredentials repeats the credentials of the request in the text of
	// every ErrorRate and CredentialsRefused answer.
	EchoCredentials bool
	// ClockSkew is added to the Date header of every answer.
	ClockSkew time.Duration

	// EmptyList answers 200 with no rows and a total of 0.
	EmptyList float64
	// IgnoreFilters answers lists as if no filter had been given.
	IgnoreFilters bool
	// HiddenRows is the share of the calls that lists leave out and do not count.
	HiddenRows float64
	// SmallPages is the share of a page's rows that are not sent: the pages of
	// the whole list are that much smaller than asked for.
	SmallPages float64
	// FieldsVanish is the share of the fields of calls that are missing
	// everywhere, TypesChange of those whose value becomes another type.
	FieldsVanish float64
	TypesChange  float64
	// LoopingPages shows the first two pages over and over, always promising more.
	LoopingPages bool
	// WrongTotal is added to every total.
	WrongTotal int
	// ShiftWhilePaging adds a call before a page other than the first is read.
	ShiftWhilePaging float64
	// VanishWhilePaging deletes a call of the pages already read, before a page
	// other than the first is read.
	VanishWhilePaging float64

	// TranscriptNotFoundOnce is the share of the calls of the last 72 hours whose
	// transcript path answers 404 the first time it is asked.
	TranscriptNotFoundOnce float64
	// AbridgedDetail makes SmartAlex' call details show only the beginning of
	// the transcript, as the vendor's example does.
	AbridgedDetail bool

	// RecordingURL takes the place of every recording URL in API answers.
	RecordingURL string
	// MediaErrorRate answers 503 at the media host.
	MediaErrorRate float64
	// MediaTruncated ends the connection in the middle of a recording.
	MediaTruncated float64
	// MediaShort sends half a recording as if that were all, without checksum.
	MediaShort float64
	// MediaEmpty sends no bytes at all, as if that were right.
	MediaEmpty float64
	// MediaGzip sends the recording compressed, whatever the client accepts.
	MediaGzip float64
	// MediaRedirect is where the media host sends everybody; empty means nowhere.
	MediaRedirect string
	// MediaDisposition is the Content-Disposition header of every recording.
	MediaDisposition string
	// MediaHTML answers 200 with an HTML error page.
	MediaHTML float64
	// MediaWrongType sends the recording as text/plain.
	MediaWrongType float64
	// MediaForbidden answers 403 without a reason.
	MediaForbidden float64
	// MediaSlow sends the second half of a recording SlowBodyDelay later.
	MediaSlow float64
	// MediaExpiresEarly is the share of recording URLs that are refused as
	// expired from the beginning.
	MediaExpiresEarly float64
}

// faultsOf returns the faults in force for a vendor.
func (s *Simulator) faultsOf(vendor string) Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults.Vendors) > 0 && !slices.Contains(s.faults.Vendors, vendor) {
		return Faults{CredentialsRefused: s.faults.CredentialsRefused} // which names its vendors itself
	}
	return s.faults
}

// strike decides whether the next occasion for the named fault is hit; what says
// what was asked for.
func (w *world) strike(name, what string, share float64) bool {
	if share <= 0 {
		return false
	}
	occasion := name + " " + what
	if chance(w.seed, "fault "+occasion, w.counts.turn(occasion)) >= share {
		return false
	}
	w.counts.fault(name)
	return true
}

// disrupt answers in place of the vendor when a fault strikes.
func (w *world) disrupt(rw http.ResponseWriter, r *http.Request, what string, f Faults) bool {
	switch {
	case f.Outage:
		w.counts.fault("Outage")
		reset(rw)
	case w.strike("ConnectionReset", what, f.ConnectionReset):
		reset(rw)
	case w.strike("ErrorRate", what, f.ErrorRate):
		w.write(rw, http.StatusInternalServerError, w.spec.failure(http.StatusInternalServerError, "server_error", echo("Internal server error", r, f)))
	case w.strike("TooManyRequests", what, f.TooManyRequests):
		w.retryAfter(rw.Header(), f)
		w.write(rw, http.StatusTooManyRequests, w.spec.failure(http.StatusTooManyRequests, "rate_limited", "Too many requests"))
	case w.strike("HTMLInsteadOfJSON", what, f.HTMLInsteadOfJSON):
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		rw.Write([]byte("<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Please sign in.</form></body></html>"))
	default:
		return false
	}
	return true
}

// retryAfter sets the header of an injected 429.
func (w *world) retryAfter(h http.Header, f Faults) {
	delay := f.RetryDelay
	if delay == 0 {
		delay = time.Second
	}
	forms := strings.Split(f.RetryAfter, "|")
	switch form := forms[w.counts.turn("Retry-After")%uint64(len(forms))]; form {
	case "", "seconds":
		h.Set("Retry-After", strconv.Itoa(int((delay+time.Second-1)/time.Second)))
	case "date":
		h.Set("Retry-After", w.sim.now().Add(delay).Format(http.TimeFormat))
	case "none":
	default:
		h.Set("Retry-After", form)
	}
}

// echo adds the credentials of a request to a message when EchoCredentials is set.
func echo(message string, r *http.Request, f Faults) string {
	if !f.EchoCredentials {
		return message
	}
	return message + ": " + r.Header.Get("Authorization") + r.Header.Get("X-Api-Key")
}

// reset closes the connection below rw, with a TCP reset where it can.
func reset(rw http.ResponseWriter) {
	if hijacker, ok := rw.(http.Hijacker); ok {
		if conn, _, err := hijacker.Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // only makes the close ruder
			}
			conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}
