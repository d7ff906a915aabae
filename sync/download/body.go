package download

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"callsyncd/call"
)

var (
	errSlow = fmt.Errorf("transfer slower than the minimum rate: %w", call.ErrTransient)
	errLong = fmt.Errorf("transfer took too long: %w", call.ErrTransient)
)

// open checks an answer and makes a Response of it. It is the rest of a
// recording when have is not empty.
func (c *Client) open(ctx context.Context, t *transfer, response *http.Response, have call.MediaPart) (*Response, error) {
	host := response.Request.URL.Host
	counted := countingReader{response.Body, t}
	if response.StatusCode != http.StatusOK && have.Bytes == 0 {
		t.watch(c.options)
		return nil, statusError(response, counted, time.Now())
	}
	size := response.ContentLength
	if have.Bytes > 0 {
		size = have.TotalBytes
	}
	if size > c.options.MaxBytes {
		return nil, fmt.Errorf("download from %s: %d bytes announced, %d allowed: %w", host, size, c.options.MaxBytes, call.ErrRefused)
	}
	b := &body{
		host: host, limit: c.options.MaxBytes - have.Bytes, wire: response.Body, transfer: t,
		reader: counted,
		cause:  func() error { return context.Cause(ctx) },
	}
	expect := call.MediaExpect{SizeBytes: size, ContentType: response.Header.Get("Content-Type"), FromBytes: have.Bytes}
	switch encoding := encodingOf(response); {
	case isPlain(encoding):
		expect.MD5, expect.ETag = announcedMD5(response.Header, have.Bytes > 0), strongETag(response.Header)
		expect.EndUnproved = size < 0 && expect.MD5 == nil && response.ProtoMajor < 2 && len(response.TransferEncoding) == 0
	case encoding == "gzip", encoding == "x-gzip": // unasked; length and checksum are those of the compressed bytes
		b.reader = &gunzip{wire: b.reader}
		expect.SizeBytes = -1
	default:
		return nil, fmt.Errorf("download from %s: unasked content encoding: %w", host, call.ErrCorrupt)
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		date = time.Time{}
	}
	t.watch(c.options)
	return &Response{Body: b, Expect: expect, Date: date.UTC()}, nil
}

func encodingOf(response *http.Response) string {
	return strings.ToLower(strings.TrimSpace(response.Header.Get("Content-Encoding")))
}

// isPlain tells an encoding that leaves the bytes as they are. S3 repeats the
// upload's aws-chunked; the body is plain.
func isPlain(encoding string) bool {
	return encoding == "" || encoding == "identity" || encoding == "aws-chunked"
}

// announcedMD5 is the Content-MD5, or an ETag that is one; nil when there is
// neither. The ETag of an object encrypted with a key of its owner looks like
// an MD5 and is none; the Content-MD5 of an answer with a part is that part's.
func announcedMD5(h http.Header, part bool) []byte {
	const md5Bytes = 16
	if sum, err := base64.StdEncoding.DecodeString(h.Get("Content-MD5")); err == nil && len(sum) == md5Bytes && !part {
		return sum
	}
	encrypted := strings.HasPrefix(h.Get("X-Amz-Server-Side-Encryption"), "aws:") ||
		h.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "" ||
		h.Get("X-Goog-Encryption-Kms-Key-Name") != "" || h.Get("X-Goog-Encryption-Algorithm") != ""
	tag := h.Get("ETag")
	if encrypted || len(tag) != 2*md5Bytes+2 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return nil
	}
	sum, err := hex.DecodeString(tag[1 : len(tag)-1])
	if err != nil {
		return nil
	}
	return sum
}

// body is the recording as it comes in.
type body struct {
	host     string
	limit    int64 // bytes still accepted
	wire     io.Closer
	reader   io.Reader
	transfer *transfer
	cause    func() error // why the request's context ended; nil while it has not
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.reader.Read(p)
	b.limit -= int64(n)
	switch {
	case b.limit < 0:
		return 0, fmt.Errorf("download from %s: recording is too large: %w", b.host, call.ErrRefused)
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || isFlateError(err):
		return n, fmt.Errorf("download from %s: broken compression: %w", b.host, call.ErrCorrupt)
	}
	return n, networkError(b.cause(), b.host, err)
}

func isFlateError(err error) bool {
	_, ok := errors.AsType[flate.CorruptInputError](err)
	return ok
}

// Close ends the transfer, finished or not.
func (b *body) Close() error {
	b.transfer.stop()
	return b.wire.Close()
}

// countingReader counts what comes over the wire, and how long it is waited for.
type countingReader struct {
	io.Reader
	transfer *transfer
}

func (r countingReader) Read(p []byte) (int, error) {
	begun := time.Now()
	r.transfer.reading.Store(&begun)
	n, err := r.Reader.Read(p)
	r.transfer.reading.Store(nil)
	r.transfer.waited.Add(int64(time.Since(begun)))
	r.transfer.bytes.Add(int64(n))
	return n, err
}

// gunzip decompresses from the first Read on, so that Get need not wait for it.
type gunzip struct {
	wire io.Reader
	gzip *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.gzip == nil {
		r, err := gzip.NewReader(g.wire)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		g.gzip = r
	}
	return g.gzip.Read(p)
}

// transfer watches one download and ends its context when it becomes too slow
// or takes too long. Time in which nobody reads is not the host's.
type transfer struct {
	cancel  context.CancelCauseFunc
	total   *time.Timer
	bytes   atomic.Int64              // received over the wire
	waited  atomic.Int64              // nanoseconds spent in reads that have ended
	reading atomic.Pointer[time.Time] // when the read under way began

	mu   sync.Mutex
	rate *time.Timer // nil until the body comes, and once stopped
}

func newTransfer(o Options, cancel context.CancelCauseFunc) *transfer {
	return &transfer{cancel: cancel, total: time.AfterFunc(o.MaxTime, func() { cancel(errLong) })}
}

// patience is how long the host was waited for, all in all.
func (t *transfer) patience() time.Duration {
	waited := time.Duration(t.waited.Load())
	if begun := t.reading.Load(); begun != nil {
		waited += time.Since(*begun)
	}
	return waited
}

// watch looks, whenever the host was waited for as long as a window, whether
// enough has come meanwhile.
func (t *transfer) watch(o Options) {
	least := int64(float64(o.MinRate) * o.RateWindow.Seconds())
	var before int64
	var judged time.Duration
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rate = time.AfterFunc(o.RateWindow, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.rate == nil {
			return
		}
		waited := t.patience()
		if rest := judged + o.RateWindow - waited; rest > 0 {
			t.rate.Reset(rest)
			return
		}
		now := t.bytes.Load()
		if now-before < least {
			t.cancel(errSlow)
			return
		}
		before, judged = now, waited
		t.rate.Reset(o.RateWindow)
	})
}

// stop ends the watch and the request's context. It may be called again.
func (t *transfer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rate != nil {
		t.rate.Stop()
		t.rate = nil
	}
	t.total.Stop()
	t.cancel(nil)
}
