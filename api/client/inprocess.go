package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// InProcess serves requests through h without a socket, so that a command
// that opened the archive itself gets the very answers of a daemon. Bodies
// stream; closing one waits until h is done with it.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper. The request's own host is the Host
// the handler sees.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	server := req.Clone(ctx)
	server.RequestURI = req.URL.RequestURI()
	server.URL.Scheme, server.URL.Host = "", ""
	server.Proto, server.ProtoMajor, server.ProtoMinor = "HTTP/1.1", 1, 1
	if req.Host == "" {
		server.Host = req.URL.Host
	}
	if server.Body == nil {
		server.Body = http.NoBody
	}
	r, w := io.Pipe()
	answer := &answer{header: http.Header{}, body: w, begun: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.serve(answer, server)
	}()
	stream := &stream{PipeReader: r, cancel: cancel, done: done}
	select {
	case <-answer.begun:
		if err := ctx.Err(); err != nil { // a cancelled handler may seem to answer first
			_ = stream.Close()
			return nil, err
		}
		return answer.response(req, stream), nil
	case <-ctx.Done():
		_ = stream.Close()
		return nil, ctx.Err()
	}
}

// serve runs the handler. A panic cuts the answer, as a server would.
func (t inProcess) serve(w *answer, r *http.Request) {
	defer func() {
		_ = r.Body.Close()
		if v := recover(); v != nil {
			w.err = fmt.Errorf("the answer was cut off: %w", io.ErrUnexpectedEOF)
		}
		w.WriteHeader(http.StatusOK)
		_ = w.body.CloseWithError(w.err) // nil is the end of the answer
	}()
	t.handler.ServeHTTP(w, r)
}

// answer is the handler's side of an exchange.
type answer struct {
	header http.Header
	body   *io.PipeWriter
	begun  chan struct{} // closed when status and sent are set

	status int
	sent   http.Header
	err    error
}

func (w *answer) Header() http.Header { return w.header }

func (w *answer) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status, w.sent = status, w.header.Clone()
	close(w.begun)
}

func (w *answer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func (w *answer) response(req *http.Request, body io.ReadCloser) *http.Response {
	res := &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: body, ContentLength: -1, Request: req,
	}
	var n int64
	if _, err := fmt.Sscan(w.sent.Get("Content-Length"), &n); err == nil {
		res.ContentLength = n
	}
	return res
}

// stream is the client's side of an answer.
type stream struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   <-chan struct{}
}

// Close ends the exchange and waits for the handler.
func (s *stream) Close() error {
	s.cancel()
	err := s.PipeReader.Close()
	<-s.done
	return err
}
