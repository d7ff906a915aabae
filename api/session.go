package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	sessionPath = "/v1/session"
	linkLife    = time.Minute
	sessionIdle = 12 * time.Hour
	maxLinks    = 16 // one-time links that wait to be opened
	maxSessions = 64 // browsers at once
)

// sessions are the browsers that may read the archive. They live in memory
// only: a new daemon knows none. It is safe for concurrent use.
type sessions struct {
	cookie string // its name

	mu    sync.Mutex
	links tokens
	open  tokens
}

// tokens maps the hash of a secret to the moment it ends. Looking up a hash
// tells nothing about the secret by the time it takes.
type tokens map[[sha256.Size]byte]time.Time

func newSessions(installID string) *sessions {
	return &sessions{cookie: "callsyncd-" + installID, links: tokens{}, open: tokens{}}
}

// add makes a new secret that ends after life. When the table is full the one
// that would end first goes.
func (t tokens) add(most int, life time.Duration) (secret string, end time.Time) {
	now := time.Now()
	for len(t) >= most {
		var first [sha256.Size]byte
		for key, end := range t {
			if t[first].IsZero() || end.Before(t[first]) {
				first = key
			}
		}
		delete(t, first)
	}
	secret, end = rand.Text()+rand.Text(), now.Add(life) // 260 bits
	t[sha256.Sum256([]byte(secret))] = end
	return secret, end
}

// take removes a secret and reports whether it was still good.
func (t tokens) take(secret string) bool {
	key := sha256.Sum256([]byte(secret))
	end, known := t[key]
	delete(t, key)
	return known && time.Now().Before(end)
}

// touch reports whether a secret is good, and lets it live on from now.
func (t tokens) touch(secret string, life time.Duration) bool {
	key, now := sha256.Sum256([]byte(secret)), time.Now()
	end, known := t[key]
	if !known || !now.Before(end) {
		delete(t, key)
		return false
	}
	t[key] = now.Add(life)
	return true
}

// holds reports whether r comes from a browser with a session. Another
// program on this host can add cookies of the same name, so all are tried.
func (s *sessions) holds(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range r.CookiesNamed(s.cookie) {
		if s.open.touch(c.Value, sessionIdle) {
			return true
		}
	}
	return false
}

// link makes the secret of a one-time link.
func (s *sessions) link() (secret string, end time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.links.add(maxLinks, linkLife)
}

// exchange takes the secret of a link for a session.
func (s *sessions) exchange(link string) (secret string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.links.take(link) {
		return "", false
	}
	secret, _ = s.open.add(maxSessions, sessionIdle)
	return secret, true
}

func (s *server) registerSessions() {
	link := operation(http.MethodPost, sessionPath+"/link", "open-link", "Make a link that opens the page in a browser, once", nil)
	link.Security = tokenOnly
	link.Responses = map[string]*huma.Response{"200": jsonAnswer[sessionLink](s.huma)}
	registerStream(s, link, s.sessionLink)
	begin := operation(http.MethodPost, sessionPath, "begin-session", "Exchange the fragment of such a link for a session cookie", nil)
	begin.Security = everybody
	begin.Responses = map[string]*huma.Response{"200": jsonAnswer[session](s.huma)}
	registerStream(s, begin, s.beginSession)
}

func jsonAnswer[T any](api huma.API) *huma.Response {
	return &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: schemaOf[T](api)}}}
}

// sessionLink is a secret: whoever opens it first reads the archive.
type sessionLink struct {
	URL       string    `json:"url" doc:"address of the page; its fragment is good once"`
	ExpiresAt time.Time `json:"expires_at" doc:"until when it must have been opened"`
}

func (s *server) sessionLink(context.Context, *nothingInput) (func(http.ResponseWriter, *http.Request), error) {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme := "http://"
		if r.TLS != nil {
			scheme = "https://"
		}
		secret, end := s.sessions.link()
		writeJSON(w, sessionLink{scheme + r.Host + "/#" + secret, end.UTC().Truncate(time.Second)})
	}, nil
}

// exchange is what the page sends.
type exchange struct {
	Token string `json:"token" maxLength:"200" doc:"the fragment of the link"`
}

type exchangeInput struct {
	query
	Body exchange
}

// session is what the page gets besides its cookie.
type session struct {
	IdleSeconds float64 `json:"idle_seconds" doc:"the session ends when it was not used for so long"`
}

func (s *server) beginSession(_ context.Context, in *exchangeInput) (func(http.ResponseWriter, *http.Request), error) {
	secret, ok := s.sessions.exchange(in.Body.Token)
	if !ok {
		return nil, newProblem(http.StatusUnauthorized, "this link was used already or is older than a minute; run callsyncd open for a new one")
	}
	return func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: s.sessions.cookie, Value: secret, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
		writeJSON(w, session{sessionIdle.Seconds()})
	}, nil
}

// writeJSON answers with a value that can always be encoded.
func writeJSON(w http.ResponseWriter, v any) {
	body, err := encode(v)
	if err != nil {
		panic(err) // strings, numbers and times of ours
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // nobody is left to tell
}
