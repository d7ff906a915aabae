package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"callsyncd/call"
)

// maxPathBytes bounds the path of a request; a call id of any vendor is far
// shorter, even when every byte of it is percent-encoded.
const maxPathBytes = 4096

// guard decides whether a request is answered at all.
type guard struct {
	hosts    []string
	token    *[sha256.Size]byte // nil: nobody is let in
	sessions *sessions
	cross    *http.CrossOriginProtection
}

func newGuard(token call.Secret, hosts []string, sessions *sessions) *guard {
	g := &guard{hosts: hosts, sessions: sessions, cross: http.NewCrossOriginProtection()}
	if token != "" {
		sum := sha256.Sum256([]byte(token.Reveal()))
		g.token = &sum
	}
	return g
}

// check runs all checks that need no body, cheap ones first; nil means pass.
func (g *guard) check(r *http.Request) *problem {
	for _, check := range []func(*http.Request) *problem{
		checkMethod, checkTarget, checkFraming, g.checkHost, checkUpgrade, checkOrigin,
		g.checkCaller, g.checkCross, checkPath, checkBodyHeaders,
	} {
		if p := check(r); p != nil {
			return p
		}
	}
	return nil
}

// mayChange reports whether a request may change something.
func mayChange(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead
}

func checkMethod(r *http.Request) *problem {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return nil
	}
	return newProblem(http.StatusMethodNotAllowed, "this API knows GET, HEAD and POST").with("Allow", "GET, HEAD, POST")
}

// checkTarget lets only origin-form through: a proxy would send whole URLs.
func checkTarget(r *http.Request) *problem {
	if !strings.HasPrefix(r.RequestURI, "/") {
		return newProblem(http.StatusBadRequest, "the request target must be a path")
	}
	if before, _, _ := strings.Cut(r.RequestURI, "?"); len(before) > maxPathBytes {
		return newProblem(http.StatusRequestURITooLong, "the path is longer than %d bytes", maxPathBytes)
	}
	return nil
}

// checkFraming refuses a body whose end only its chunks tell. Nobody needs one
// here, and beside a Content-Length it is how one request hides in another.
func checkFraming(r *http.Request) *problem {
	if len(r.TransferEncoding) > 0 {
		return newProblem(http.StatusLengthRequired, "send the body with a Content-Length, not in chunks").with("Connection", "close")
	}
	return nil
}

// checkHost stops DNS rebinding: a name that was pointed at loopback by
// somebody else's DNS server is not one of ours. Comparison is exact, so
// unusual spellings of our own names are refused too.
func (g *guard) checkHost(r *http.Request) *problem {
	if !slices.Contains(g.hosts, r.Host) {
		return newProblem(http.StatusForbidden, "the Host header is not an address of this API")
	}
	return nil
}

func checkUpgrade(r *http.Request) *problem {
	upgrade := len(r.Header.Values("Upgrade")) > 0
	for _, v := range r.Header.Values("Connection") {
		upgrade = upgrade || strings.Contains(strings.ToLower(v), "upgrade")
	}
	if upgrade {
		return newProblem(http.StatusBadRequest, "this API does not switch protocols")
	}
	return nil
}

// checkOrigin refuses what a browser sends for another site's page, whatever
// the method.
func checkOrigin(r *http.Request) *problem {
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return newProblem(http.StatusForbidden, "requests of other sites are not answered")
		}
	}
	ours := "http://" + r.Host
	if r.TLS != nil {
		ours = "https://" + r.Host
	}
	for _, origin := range r.Header.Values("Origin") {
		if origin != ours {
			return newProblem(http.StatusForbidden, "requests of other origins are not answered")
		}
	}
	return nil
}

// open lists the paths that are answered to everybody; they tell nothing
// about the archive. So do the files of the page.
var open = []string{"/healthz", "/readyz", sessionPath}

// checkCaller lets in who shows the token, and a browser with a session to
// what a session may do.
func (g *guard) checkCaller(r *http.Request) *problem {
	if slices.Contains(open, r.URL.Path) || isPage(r) {
		return nil
	}
	if g.hasToken(r) {
		return nil
	}
	if len(r.Header.Values("Authorization")) == 0 && g.sessions.holds(r) {
		if !sessionMay(r) {
			return newProblem(http.StatusForbidden, "a browser session may not do this; use the command line")
		}
		return nil
	}
	return newProblem(http.StatusUnauthorized, "send the token in the file api-token as Authorization: Bearer TOKEN, or run callsyncd open for a browser session").
		with("WWW-Authenticate", "Bearer")
}

func (g *guard) hasToken(r *http.Request) bool {
	values := r.Header.Values("Authorization")
	if g.token == nil || len(values) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// sessionMay says what a browser session is good for: reading the archive and
// what does no harm to it.
func sessionMay(r *http.Request) bool {
	if mayChange(r) {
		return slices.Contains([]string{"/v1/sync", "/v1/gaps/ack"}, r.URL.Path)
	}
	return strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/openapi.json"
}

// checkCross is the standard library's opinion on requests that may change
// something, a second lock behind checkOrigin.
func (g *guard) checkCross(r *http.Request) *problem {
	if err := g.cross.Check(r); err != nil {
		return newProblem(http.StatusForbidden, "requests of other origins are not answered")
	}
	return nil
}

// checkPath refuses dot segments and empty segments, which the mux would
// redirect. An id that is itself ".." is sent as %2E%2E.
func checkPath(r *http.Request) *problem {
	if p := r.URL.EscapedPath(); path.Clean(p) != p {
		return noSuchPath()
	}
	return nil
}

func noSuchPath() *problem {
	return newProblem(http.StatusNotFound, "there is nothing at this path; see /openapi.json")
}

// isJSON reports whether a media type is that of JSON, which is always UTF-8.
func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	charset, named := params["charset"]
	return err == nil && media == "application/json" && (!named || strings.EqualFold(charset, "utf-8"))
}

// checkBodyHeaders refuses what a form or a plain link of another site could
// send: a browser sends JSON only after asking, and is never answered.
// Where there is no body it needs no type.
func checkBodyHeaders(r *http.Request) *problem {
	if !mayChange(r) {
		return nil
	}
	types := r.Header.Values("Content-Type")
	if empty := r.ContentLength == 0 && len(types) == 0; !empty && (len(types) != 1 || !isJSON(types[0])) {
		return newProblem(http.StatusUnsupportedMediaType, "send the body as Content-Type: application/json")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return newProblem(http.StatusUnsupportedMediaType, "send the body without Content-Encoding")
	}
	return nil
}
