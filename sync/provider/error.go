package provider

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"callsyncd/call"
)

// Error is what a vendor's API, or the way to it, refused. It unwraps to one
// of the kinds of package call, or to a *call.BudgetError or context error.
type Error struct {
	Op         string // what was being done: "list calls", "fetch transcript"
	Source     call.SourceID
	Status     int           // HTTP status; 0 when there was no answer or the answer was an HTTP 200
	RetryAfter time.Duration // what the vendor asked for; 0 when nothing
	Message    string        // the vendor's words, shortened and free of secrets; may be empty
	Hint       string        // what the operator can do; may be empty
	Err        error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s: source %s", e.Op, e.Source)
	if e.Status != 0 {
		s += fmt.Sprintf(": HTTP %d", e.Status)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s + ": " + e.Err.Error()
}

// Forbidden reports an answer that refuses one thing and says nothing of the
// rest, unlike one that does not know our credentials.
func (e *Error) Forbidden() bool { return e.Status == http.StatusForbidden }

// Hinted is the hint, for those who know the error only by its shape.
func (e *Error) Hinted() string { return e.Hint }

func (e *Error) Unwrap() error { return e.Err }

// maxMessage bounds foreign text in our errors, in runes.
const maxMessage = 200

var urlQuery = regexp.MustCompile(`(?i)(https?://[^\s?"'<>]*)\?[^\s"'<>]*`)

// clean makes foreign text fit for an error: our credentials and the queries
// of URLs are taken out, control characters escaped, the rest shortened.
func (p *Provider) clean(text string) string {
	for _, secret := range p.auth.Load().secrets {
		text = strings.ReplaceAll(text, secret, call.Secret("").String())
	}
	text = urlQuery.ReplaceAllString(strings.ToValidUTF8(text, "�"), "$1?…")
	var b strings.Builder
	runes := 0
	for _, r := range strings.TrimSpace(text) {
		if runes++; runes > maxMessage {
			b.WriteString("…")
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
