package simulator

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// grant is the permission to fetch one recording until a moment. Each is unlike
// every other.
type grant struct {
	expires time.Time
	nonce   string
}

// grant makes a new permission, valid for so long. Callers hold the lock.
func (w *world) grant(life time.Duration) grant {
	w.nonce++
	return grant{w.sim.now().Truncate(time.Second).Add(life), strconv.FormatUint(mix(w.seed, "nonce", w.nonce), 16)}
}

// sign proves that we made a grant for a call.
func (w *world) sign(id string, g grant) string {
	key := sha256.Sum256([]byte("media " + strconv.FormatUint(w.seed, 16)))
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte(id + "|" + strconv.FormatInt(g.expires.Unix(), 10) + "|" + g.nonce))
	return hex.EncodeToString(m.Sum(nil))
}

// token writes a grant as one word.
func (w *world) token(id string, g grant) string {
	return strconv.FormatInt(g.expires.Unix(), 36) + "-" + g.nonce + "-" + w.sign(id, g)
}

// fileName is the last part of a recording's path.
func (w *world) fileName(f facts) string {
	if f.leg > 0 {
		return f.signedName() + "." + w.spec.audio
	}
	if f.take > 0 {
		return f.id + takeMark + strconv.Itoa(f.take) + "." + w.spec.audio
	}
	return f.id + "." + w.spec.audio
}

// takeMark stands before the number of a recording that replaced another.
const takeMark = "-take"

// amazonURL is a link signed in the query, the way object stores do.
func (w *world) amazonURL(f facts) string {
	g := w.grant(w.sim.options.URLLife)
	return w.bend(w.fileURL(f) + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=" +
		g.expires.Add(-w.sim.options.URLLife).Format("20060102T150405Z") +
		"&X-Amz-Expires=" + strconv.Itoa(int(w.sim.options.URLLife/time.Second)) +
		"&X-Amz-Security-Token=" + g.nonce + "&X-Amz-Signature=" + w.sign(f.signedName(), g))
}

// tokenURL is a link with a token in the query.
func (w *world) tokenURL(f facts, life time.Duration) (string, time.Time) {
	g := w.grant(life)
	return w.bend(w.fileURL(f) + "?token=" + w.token(f.signedName(), g)), g.expires
}

// pathURL is a link with a token in the path and nothing to see in the query.
func (w *world) pathURL(f facts) (string, time.Time) {
	g := w.grant(w.sim.options.URLLife)
	return w.bend(w.sim.media() + "/" + w.spec.name + "/" + w.token(f.signedName(), g) + "/" + w.fileName(f)), g.expires
}

// plainURL is a link that does not change.
func (w *world) plainURL(f facts) string { return w.bend(w.fileURL(f)) }

// fileURL is where a recording lies.
func (w *world) fileURL(f facts) string {
	return w.sim.media() + "/" + w.spec.name + "/recordings/" + w.fileName(f)
}

// bend puts RecordingURL in place of a link when that fault is set.
func (w *world) bend(link string) string {
	if other := w.sim.faultsOf(w.spec.name).RecordingURL; other != "" {
		return other
	}
	return link
}

// storageError is the error document of an object store.
type storageError struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string   `xml:"Code"`
	Message    string   `xml:"Message"`
	Expires    string   `xml:"Expires,omitempty"`
	ServerTime string   `xml:"ServerTime,omitempty"`
	RequestID  string   `xml:"RequestId"`
}

// MediaHandler serves the recordings of all vendors without a socket. It
// refuses requests that carry credentials, and counts them.
func (s *Simulator) MediaHandler() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		w := s.find(name)
		if w == nil {
			storage(rw, http.StatusNotFound, storageError{Code: "NoSuchBucket", Message: "The specified bucket does not exist"})
			return
		}
		w.serveMedia(rw, r, rest)
	})
}

// storage sends an error document.
func storage(rw http.ResponseWriter, status int, e storageError) {
	e.RequestID = "0000000000000000"
	body, err := xml.Marshal(e)
	if err != nil {
		panic("simulator: " + err.Error()) // our own type always encodes
	}
	rw.Header().Set("Content-Type", "application/xml")
	rw.WriteHeader(status)
	rw.Write(append([]byte(xml.Header), body...))
}

// serveMedia serves one recording of a vendor; path is what follows its name.
func (w *world) serveMedia(rw http.ResponseWriter, r *http.Request, path string) {
	f := w.sim.faultsOf(w.spec.name)
	rw.Header().Set("Date", w.sim.now().Add(f.ClockSkew).Format(http.TimeFormat))
	switch {
	case f.Outage:
		w.counts.fault("Outage")
		reset(rw)
		return
	case w.leaks(r):
		w.counts.edit(func(s *Stats) { s.MediaCredentials++ })
		storage(rw, http.StatusBadRequest, storageError{Code: "InvalidArgument", Message: "Only one auth mechanism allowed"})
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		storage(rw, http.StatusMethodNotAllowed, storageError{Code: "MethodNotAllowed", Message: "The specified method is not allowed"})
		return
	}
	if f.MediaRedirect != "" {
		rw.Header().Set("Location", f.MediaRedirect)
		rw.WriteHeader(http.StatusFound)
		return
	}
	folder, file, _ := strings.Cut(path, "/")
	name, _, _ := strings.Cut(strings.TrimSuffix(file, "."+w.spec.audio), takeMark)
	id, leg := legOf(name)
	v, found := w.recorded(id)
	v.leg = leg
	if !found || leg > v.legs || leg > 0 && !w.synced(v) && folder != pendingFolder || file != w.fileName(v.facts) {
		storage(rw, http.StatusNotFound, storageError{Code: "NoSuchKey", Message: "The specified key does not exist"})
		return
	}
	if folder == pendingFolder { // still at the phone provider, which does not know us
		storage(rw, http.StatusUnauthorized, storageError{Code: "Unauthorized", Message: "Authenticate"})
		return
	}
	g, genuine := w.granted(name, folder, r)
	switch now := w.sim.now(); {
	case !genuine:
		storage(rw, http.StatusForbidden, storageError{Code: "SignatureDoesNotMatch", Message: "The request signature we calculated does not match"})
	case !now.Before(g.expires) || w.early(name, g, f):
		w.counts.edit(func(s *Stats) { s.MediaExpired++ })
		storage(rw, http.StatusForbidden, storageError{Code: "AccessDenied", Message: "Request has expired",
			Expires: stamp(g.expires), ServerTime: stamp(now)})
	default:
		w.play(rw, r, v, f)
	}
}

// leaks reports whether a request carries credentials, by header or by value.
func (w *world) leaks(r *http.Request) bool {
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Organization-Id", "X-System-Id", "Cookie"} {
		if len(r.Header.Values(name)) > 0 {
			return true
		}
	}
	for _, other := range w.sim.worlds {
		for _, secret := range other.credentials() {
			for _, values := range r.Header {
				if strings.Contains(strings.Join(values, " "), secret) {
					return true
				}
			}
			if strings.Contains(r.URL.String(), secret) {
				return true
			}
		}
	}
	return false
}

// recorded finds a call that has a recording now.
func (w *world) recorded(id string) (view, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.byID[id]
	if e == nil || e.deleted {
		return view{}, false
	}
	v := w.at(e, w.sim.now())
	return v, v.ready && v.hasRecording()
}

// granted reads the grant out of a link and checks its signature. Plain links
// of the vendors that have them do not expire.
func (w *world) granted(id, folder string, r *http.Request) (grant, bool) {
	query := r.URL.Query()
	switch w.spec.name {
	case "suresend":
		life, _ := strconv.Atoi(query.Get("X-Amz-Expires"))
		begin, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
		g := grant{begin.Add(time.Duration(life) * time.Second), query.Get("X-Amz-Security-Token")}
		return g, err == nil && hmac.Equal([]byte(query.Get("X-Amz-Signature")), []byte(w.sign(id, g)))
	case "solomobile":
		return w.opened(id, query.Get("token"))
	case "smartalex":
		return w.opened(id, folder)
	}
	return grant{expires: final}, folder == "recordings"
}

// opened reads a grant out of its token.
func (w *world) opened(id, token string) (grant, bool) {
	parts := strings.Split(token, "-")
	if len(parts) != 3 {
		return grant{}, false
	}
	expires, err := strconv.ParseInt(parts[0], 36, 64)
	g := grant{time.Unix(expires, 0).UTC(), parts[1]}
	return g, err == nil && hmac.Equal([]byte(parts[2]), []byte(w.sign(id, g)))
}

// early decides whether MediaExpiresEarly spoils a link: by the link where it
// is signed, else by the request.
func (w *world) early(id string, g grant, f Faults) bool {
	if g.nonce == "" {
		return w.strike("MediaExpiresEarly", id, f.MediaExpiresEarly)
	}
	nonce, _ := strconv.ParseUint(g.nonce, 16, 64)
	if chance(w.seed, "early", nonce) >= f.MediaExpiresEarly {
		return false
	}
	w.counts.fault("MediaExpiresEarly")
	return true
}

// play sends a recording, or a fault in its place.
func (w *world) play(rw http.ResponseWriter, r *http.Request, v view, f Faults) {
	if w.strike("MediaForbidden", v.id, f.MediaForbidden) {
		storage(rw, http.StatusForbidden, storageError{Code: "AccessDenied", Message: "Access Denied"})
		return
	}
	if w.strike("MediaErrorRate", v.id, f.MediaErrorRate) {
		storage(rw, http.StatusServiceUnavailable, storageError{Code: "SlowDown", Message: "Please reduce your request rate"})
		return
	}
	if w.strike("MediaHTML", v.id, f.MediaHTML) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		rw.Write([]byte("<!DOCTYPE html><html><head><title>Error</title></head><body><h1>We'll be right back</h1></body></html>"))
		return
	}
	audio := w.audio(v.facts)
	sum := md5.Sum(audio.bytes)
	h := rw.Header()
	h.Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	h.Set("Content-Type", audio.contentType)
	if f.MediaDisposition != "" {
		h.Set("Content-Disposition", f.MediaDisposition)
	}
	if w.strike("MediaWrongType", v.id, f.MediaWrongType) {
		h.Set("Content-Type", "text/plain")
	}
	if w.spoil(rw, r, v.id, audio.bytes, f) {
		return
	}
	if r.Method == http.MethodGet && r.Header.Get("Range") == "" {
		w.counts.edit(func(s *Stats) { s.MediaDownloads++ })
	}
	http.ServeContent(rw, r, "", v.ended, bytes.NewReader(audio.bytes))
}

// spoil sends something else than the bytes of a recording when a fault strikes.
func (w *world) spoil(rw http.ResponseWriter, r *http.Request, id string, audio []byte, f Faults) bool {
	switch {
	case w.strike("MediaSlow", id, f.MediaSlow):
		w.drip(rw, r, audio, f)
	case w.strike("MediaTruncated", id, f.MediaTruncated):
		rw.Header().Set("Content-Length", strconv.Itoa(len(audio)))
		rw.Write(audio[:len(audio)/2])
		if flusher, ok := rw.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	case w.strike("MediaShort", id, f.MediaShort):
		rw.Header().Del("ETag")
		half := len(audio) / 2 // a byte less each time: what breaks off does so anywhere
		rw.Write(audio[:half-min(half, int(w.counts.turn("short "+id)))])
	case w.strike("MediaEmpty", id, f.MediaEmpty):
		rw.Header().Del("ETag")
		rw.WriteHeader(http.StatusOK)
	case w.strike("MediaGzip", id, f.MediaGzip):
		rw.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(rw)
		z.Write(audio)
		z.Close()
	default:
		return false
	}
	return true
}
