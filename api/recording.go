package api

import (
	"context"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callsyncd/call"
)

// playable are the media types a browser may be told; anything else is a
// download without a type. The type comes from our own look at the file.
var playable = []string{
	"audio/mpeg", "audio/wav", "audio/x-wav", "audio/wave", "audio/ogg", "audio/opus", "audio/mp4", "audio/x-m4a", "audio/aac",
	"audio/webm", "audio/flac", "audio/amr", "video/mp4", "video/webm",
}

func (s *server) registerRecording(op huma.Operation) {
	binary := map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	for _, media := range playable {
		binary[media] = binary["application/octet-stream"]
	}
	op.Responses = map[string]*huma.Response{
		"200": {Description: "The whole file; ETag is its SHA-256.", Content: binary},
		"206": {Description: "The part asked for with Range.", Content: binary},
		"304": {Description: "If-None-Match named the file's ETag."},
	}
	registerStream(s, op, s.recording)
}

// partWords is the state of a part with its reason: "none: flag".
func partWords(p *call.Part) string {
	if p.Reason == "" {
		return string(p.State)
	}
	return string(p.State) + ": " + p.Reason
}

func (s *server) recording(ctx context.Context, in *keyInput) (func(http.ResponseWriter, *http.Request), error) {
	record, err := s.light(ctx, in)
	if err != nil {
		return nil, err
	}
	rec, err := chosen(&record, in.label)
	if err != nil {
		return nil, err
	}
	select {
	case s.media <- struct{}{}:
	default:
		return nil, newProblem(http.StatusTooManyRequests, "%d recordings are being sent already", mediaStreams).with("Retry-After", "1")
	}
	file, err := s.Media.Open(*rec.File)
	if err != nil {
		<-s.media
		return nil, s.missing(ctx, record.Call.Key, err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			_ = file.Close() // it was only read
			<-s.media
		}()
		serve(w, r, rec, file)
	}, nil
}

// chosen is the recording of a label, or a problem that says why there is none.
func chosen(record *call.Record, label string) (*call.Recording, error) {
	rec, part, which := record.Call.Recording, record.MainPart(), "recording"
	if label != "" && label != mainLabel {
		f := record.FurtherOf(label)
		if f == nil {
			return nil, newProblem(http.StatusNotFound, "this call has no recording with that label; its labels are %s", strings.Join(labels(record), ", "))
		}
		rec, part, which = &f.Recording, &f.Part, "recording "+label
	}
	if rec == nil || rec.File == nil {
		return nil, newProblem(http.StatusNotFound, "this call has no %s: %s", which, partWords(part))
	}
	return rec, nil
}

// mainLabel is the label of the recording a call shows by itself.
const mainLabel = "main"

func labels(record *call.Record) []string {
	list := []string{mainLabel}
	for i := range record.Further {
		list = append(list, record.Further[i].Label)
	}
	return list
}

// missing reports a file that should be there.
func (s *server) missing(ctx context.Context, key call.Key, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, call.ErrNotFound) {
		return err
	}
	s.Log.ErrorContext(ctx, "recording file missing", "source", key.Source, "call_id", key.ID, "err", err)
	return newProblem(http.StatusInternalServerError, "the file of this recording is missing from the archive; run callsyncd verify")
}

// serve sends file with ranges and conditions.
func serve(w http.ResponseWriter, r *http.Request, rec *call.Recording, file *os.File) {
	h := w.Header()
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	media, disposition, name := present(rec)
	h.Set("Content-Type", media)
	h.Set("Content-Disposition", disposition+`; filename="`+name+`"`)
	if rec.SHA256 != nil {
		h.Set("ETag", `"`+*rec.SHA256+`"`)
	}
	if strings.Contains(r.Header.Get("Range"), ",") {
		r.Header.Del("Range") // several ranges at once cost more than the whole file
	}
	var modified time.Time
	if rec.StoredAt != nil {
		modified = *rec.StoredAt
	}
	http.ServeContent(&mediaWriter{ResponseWriter: w, begin: time.Now()}, r, "", modified, file)
}

// present chooses type, disposition and file name. The name is the last
// element of a path we made, without anything a header or a shell could
// misread.
func present(rec *call.Recording) (media, disposition, name string) {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, path.Base(*rec.File))
	if rec.ContentType != nil {
		claimed, _, err := mime.ParseMediaType(*rec.ContentType)
		for _, known := range playable {
			if err == nil && claimed == known {
				return known, "inline", name
			}
		}
	}
	return "application/octet-stream", "attachment", strings.TrimSuffix(name, path.Ext(name)) + ".bin"
}

const (
	mediaGrace = 30 * time.Second
	mediaRate  = 8 << 10 // bytes per second a listener must take on the average
)

// mediaWriter gives a slow listener time as long as bytes move, and turns the
// plain-text refusals of http.ServeContent into problem documents.
type mediaWriter struct {
	http.ResponseWriter
	begin   time.Time
	written int64
	refused bool
}

func (w *mediaWriter) WriteHeader(status int) {
	if status < 400 {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.refused = true
	for _, name := range []string{"ETag", "Last-Modified", "Content-Disposition"} {
		w.Header().Del(name)
	}
	detail := "the recording is not as the request expects it"
	if status == http.StatusRequestedRangeNotSatisfiable {
		detail = "the recording has no such range"
	}
	newProblem(status, "%s", detail).write(w.ResponseWriter)
}

func (w *mediaWriter) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil
	}
	earned := time.Duration(w.written/mediaRate) * time.Second
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(w.begin.Add(mediaGrace + earned))
	n, err := w.ResponseWriter.Write(b)
	w.written += int64(n)
	return n, err
}
