package download

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

func TestBody(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, sound)
	_ = w.Close()
	badSum := bytes.Clone(packed.Bytes())
	badSum[len(badSum)-8] ^= 1
	badData := append(bytes.Clone(packed.Bytes()[:10]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)

	plain := func(length int, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, body)
	}
	encoded := func(name string, body []byte) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nETag: \"0123456789abcdef0123456789abcdef\"\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", name, len(body), body)
	}
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name   string
		answer string
		want   []error // none: the body is sound
	}{
		{"whole", plain(len(sound), sound), nil},
		{"longer than announced", plain(len(sound), sound+"<html>"), nil},
		{"shorter than announced", plain(len(sound)+1, sound), []error{io.ErrUnexpectedEOF, call.ErrTransient}},
		{"only announced", plain(5, ""), []error{io.ErrUnexpectedEOF, call.ErrTransient}},
		{"chunks broken off", chunked + "3\r\nRIF\r\n", []error{io.ErrUnexpectedEOF, call.ErrTransient}},
		{"chunk broken off", chunked + "f\r\nRIF", []error{io.ErrUnexpectedEOF, call.ErrTransient}},
		{"bad chunk", chunked + "zz\r\n" + secret, []error{call.ErrTransient}},
		{"too long by announcement", plain(101, strings.Repeat("a", 101)), []error{call.ErrRefused}},
		{"too long without announcement", chunked + "65\r\n" + strings.Repeat("a", 101) + "\r\n0\r\n\r\n", []error{call.ErrRefused}},
		{"compressed", encoded("gzip", packed.Bytes()), nil},
		{"compressed, old name", encoded("X-Gzip", packed.Bytes()), nil},
		{"called identity", encoded("identity", []byte(sound)), nil},
		{"called aws-chunked", encoded("aws-chunked", []byte(sound)), nil},
		{"other compression", encoded("br", []byte(sound)), []error{call.ErrCorrupt}},
		{"compressed twice by name", encoded("gzip, gzip", packed.Bytes()), []error{call.ErrCorrupt}},
		{"not compressed at all", encoded("gzip", []byte(sound)), []error{call.ErrCorrupt}},
		{"compressed with a wrong checksum", encoded("gzip", badSum), []error{call.ErrCorrupt}},
		{"compressed garbage", encoded("gzip", badData), []error{call.ErrCorrupt}},
		{"compressed and broken off", encoded("gzip", packed.Bytes()[:15]), []error{io.ErrUnexpectedEOF, call.ErrTransient}},
		{"compressed and empty", encoded("gzip", nil), []error{io.ErrUnexpectedEOF, call.ErrTransient}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := raw(t, test.answer)
			content, response, err := fetch(t, clientFor(t, Options{MaxBytes: 100}, server), signed(server.URL))
			if len(test.want) == 0 && (err != nil || content != sound) || len(test.want) > 0 && err == nil {
				t.Fatalf("fetch = %q, %v", content, err)
			}
			for _, want := range test.want {
				if !errors.Is(err, want) {
					t.Errorf("fetch = %v, want %v", err, want)
				}
			}
			if compressed := strings.Contains(strings.ToLower(test.answer), "gzip"); err == nil && compressed &&
				(response.Expect.SizeBytes != -1 || response.Expect.MD5 != nil) {
				t.Errorf("expect of the compressed bytes: %+v", response.Expect)
			}
		})
	}
}

func TestBodyStopsBomb(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(make([]byte, 10<<20))
	_ = w.Close()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	content, _, err := fetch(t, clientFor(t, Options{MaxBytes: 1 << 20}, server), signed(server.URL))
	if !errors.Is(err, call.ErrRefused) || len(content) > 1<<20 {
		t.Errorf("%d bytes, %v", len(content), err)
	}
}

// slowHost makes every connection of c one to a host that sends a header at
// once, then pieces of the size given, each after the pause. It must run in a
// synctest bubble.
func slowHost(c *Client, pieces, size int, pause time.Duration) {
	c.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			if _, err := http.ReadRequest(bufio.NewReader(server)); err != nil {
				return
			}
			if _, err := fmt.Fprintf(server, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", pieces*size); err != nil {
				return
			}
			for range pieces {
				time.Sleep(pause)
				if _, err := server.Write(make([]byte, size)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
}

func TestTransferTime(t *testing.T) {
	tests := []struct {
		name   string
		pieces int
		size   int
		pause  time.Duration
		want   error
		takes  time.Duration
	}{
		{"fast enough", 600, 9 << 10, time.Second, nil, 10 * time.Minute},
		{"in bursts", 20, 240 << 10, 29 * time.Second, nil, 580 * time.Second},
		{"too slow", 600, 4 << 10, time.Second, errSlow, 30 * time.Second},
		{"silent", 1, 1, time.Hour, errSlow, 30 * time.Second},
		{"too long", 7200, 16 << 10, time.Second, errLong, time.Hour},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, Options{Allow: []string{"media.example.com"}})
				slowHost(c, test.pieces, test.size, test.pause)
				begun := time.Now()
				content, _, err := fetch(t, c, signed("http://media.example.com"))
				if !errors.Is(err, test.want) || test.want != nil && !errors.Is(err, call.ErrTransient) {
					t.Errorf("fetch = %v, want %v", err, test.want)
				}
				if test.want == nil && len(content) != test.pieces*test.size {
					t.Errorf("%d bytes", len(content))
				}
				took := time.Since(begun)
				time.Sleep(2 * time.Hour) // until the host has noticed
				if took < test.takes || took > test.takes+time.Second {
					t.Errorf("took %v, want %v", took, test.takes)
				}
			})
		})
	}
}

// A reader that takes its time does not make the host slow.
func TestOwnSlownessIsNotTheHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Allow: []string{"media.example.com"}})
		slowHost(c, 20, 1<<10, 0)
		response, err := c.Get(t.Context(), signed("http://media.example.com"), call.MediaPart{})
		if err != nil {
			t.Fatal(err)
		}
		n, b := 0, make([]byte, 1<<10)
		for err == nil {
			time.Sleep(time.Minute)
			var more int
			more, err = response.Body.Read(b)
			n += more
		}
		if n != 20<<10 || err != io.EOF {
			t.Errorf("%d bytes, %v", n, err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Once the body has ended, time no longer matters; and a silent host is given up
// before there is a body.
func TestTransferTimeOutsideBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Allow: []string{"media.example.com"}})
		slowHost(c, 1, 10, 0)
		response, err := c.Get(t.Context(), signed("http://media.example.com"), call.MediaPart{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(response.Body); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Hour)
		if n, err := response.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read = %d, %v", n, err)
		}
		if err := errors.Join(response.Body.Close(), response.Body.Close()); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Options{Allow: []string{"media.example.com"}})
		c.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, server) }()
			return client, nil
		}
		begun := time.Now()
		_, _, err := fetch(t, c, signed("http://media.example.com"))
		if !errors.Is(err, call.ErrTransient) || time.Since(begun) != headerTimeout {
			t.Errorf("gave up after %v: %v", time.Since(begun), err)
		}
	})
}

// Only a length, a checksum, chunks or a compression tell the end of a body from
// a connection that broke off.
func TestEndOfBodyIsProved(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = io.WriteString(w, sound)
	_ = w.Close()
	for name, test := range map[string]struct {
		head, body string
		unproved   bool
	}{
		"nothing":     {"", sound, true},
		"an ETag":     {"ETag: \"v1\"\r\n", sound, true},
		"a length":    {fmt.Sprintf("Content-Length: %d\r\n", len(sound)), sound, false},
		"chunks":      {"Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(sound), sound), false},
		"compression": {"Content-Encoding: gzip\r\n", packed.String(), false},
		"a checksum":  {fmt.Sprintf("ETag: \"%x\"\r\n", md5.Sum([]byte(sound))), sound, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := raw(t, "HTTP/1.1 200 OK\r\nConnection: close\r\n"+test.head+"\r\n"+test.body)
			content, response, err := fetch(t, clientFor(t, Options{MaxBytes: 100}, server), signed(server.URL))
			if err != nil || content != sound || response.Expect.EndUnproved != test.unproved {
				t.Errorf("%q, %+v, %v", content, response, err)
			}
		})
	}
}
