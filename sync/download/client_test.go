package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

const sound = "RIFF not really"

func TestGetAnnounces(t *testing.T) {
	sum := md5.Sum([]byte(sound))
	hexSum := hex.EncodeToString(sum[:])
	tests := []struct {
		name   string
		header map[string]string
		want   []byte
	}{
		{"nothing", nil, nil},
		{"Content-MD5", map[string]string{"Content-MD5": base64.StdEncoding.EncodeToString(sum[:])}, sum[:]},
		{"Content-MD5 of wrong length", map[string]string{"Content-MD5": "YWJj"}, nil},
		{"Content-MD5 garbage", map[string]string{"Content-MD5": "%%%"}, nil},
		{"etag", map[string]string{"ETag": `"` + hexSum + `"`}, sum[:]},
		{"etag in upper case", map[string]string{"ETag": `"` + strings.ToUpper(hexSum) + `"`}, sum[:]},
		{"etag of parts", map[string]string{"ETag": `"` + hexSum + `-2"`}, nil},
		{"weak etag", map[string]string{"ETag": `W/"` + hexSum + `"`}, nil},
		{"unquoted etag", map[string]string{"ETag": hexSum}, nil},
		{"short etag", map[string]string{"ETag": `"` + hexSum[:30] + `"`}, nil},
		{"etag not hex", map[string]string{"ETag": `"` + hexSum[:31] + `x"`}, nil},
		{"etag of an encrypted object", map[string]string{"ETag": `"` + hexSum + `"`, "X-Amz-Server-Side-Encryption": "aws:kms"}, nil},
		{"etag of an object encrypted by S3 itself", map[string]string{"ETag": `"` + hexSum + `"`, "X-Amz-Server-Side-Encryption": "AES256"}, sum[:]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range test.header {
					w.Header().Set(name, value)
				}
				w.Header().Set("Content-Type", "audio/mpeg")
				w.Header().Set("Date", "Tue, 04 Mar 2025 05:06:07 GMT")
				_, _ = io.WriteString(w, sound)
			})
			content, response, err := fetch(t, clientFor(t, Options{}, server), signed(server.URL))
			if err != nil || content != sound {
				t.Fatalf("fetch = %q, %v", content, err)
			}
			expect := response.Expect
			if expect.SizeBytes != int64(len(sound)) || expect.ContentType != "audio/mpeg" || !bytes.Equal(expect.MD5, test.want) {
				t.Errorf("expect %+v, want MD5 %x", expect, test.want)
			}
			if want := time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC); !response.Date.Equal(want) {
				t.Errorf("date %v", response.Date)
			}
		})
	}
}

func TestGetWithoutLengthAndDate(t *testing.T) {
	server := raw(t, "HTTP/1.1 200 OK\r\nDate: yesterday\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	content, response, err := fetch(t, clientFor(t, Options{}, server), signed(server.URL))
	if err != nil || content != "abc" || response.Expect.SizeBytes != -1 || !response.Date.IsZero() {
		t.Errorf("fetch = %q, %+v, %v", content, response, err)
	}
}

func TestGetSendsNothingOfOurs(t *testing.T) {
	var got http.Header
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	if _, _, err := fetch(t, clientFor(t, Options{}, server), signed(server.URL)); err != nil {
		t.Fatal(err)
	}
	checkHeaders(t, got)
	if got.Get("Accept-Encoding") != "identity" {
		t.Errorf("Accept-Encoding %q", got.Get("Accept-Encoding"))
	}
}

// checkHeaders fails when a request carries anything but the three headers
// every request has.
func checkHeaders(t *testing.T, h http.Header) {
	t.Helper()
	for name := range h {
		if name != "Accept" && name != "Accept-Encoding" && name != "User-Agent" {
			t.Errorf("request carries %s: %q", name, h[name])
		}
	}
}

func TestGetStatus(t *testing.T) {
	tests := []struct {
		status     int
		retryAfter string
		want       error
		delay      time.Duration
	}{
		{201, "", call.ErrCorrupt, 0},
		{204, "", call.ErrCorrupt, 0},
		{206, "", call.ErrCorrupt, 0},
		{304, "", call.ErrTransient, 0},
		{400, "", call.ErrExpired, 0},
		{401, "", call.ErrExpired, 0},
		{403, "60", call.ErrExpired, 0},
		{404, "", call.ErrExpired, 0},
		{410, "", call.ErrExpired, 0},
		{408, "", call.ErrTransient, 0},
		{418, "", call.ErrTransient, 0},
		{429, "90", call.ErrTransient, 90 * time.Second},
		{500, "", call.ErrTransient, 0},
		{503, "7200", call.ErrTransient, time.Hour},
		{503, "0", call.ErrTransient, time.Second},
		{503, "Fri, 31 Dec 1999 23:59:59 GMT", call.ErrTransient, time.Second},
		{503, "soon", call.ErrTransient, 0},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if test.retryAfter != "" {
					w.Header().Set("Retry-After", test.retryAfter)
				}
				w.WriteHeader(test.status)
				if test.status != 204 && test.status != 304 {
					_, _ = fmt.Fprintf(w, "<Error><Resource>%s</Resource></Error>", r.URL)
				}
			})
			_, _, err := fetch(t, clientFor(t, Options{}, server), signed(server.URL))
			status, ok := errors.AsType[*StatusError](err)
			if !ok || status.Status != test.status || status.RetryAfter != test.delay || !errors.Is(err, test.want) {
				t.Errorf("fetch = %v, want %v after %v", err, test.want, test.delay)
			}
		})
	}
}

// TestWrongClockIsNotAnExpiredLink: neither our clock nor the host's makes a
// link bad for good.
func TestWrongClockIsNotAnExpiredLink(t *testing.T) {
	for _, test := range []struct {
		body   string
		kind   error
		reason string
	}{
		{"<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message></Error>", call.ErrTransient, "clock_skew"},
		{"<Error><Code>AccessDenied</Code><Message>Request is not yet valid</Message></Error>", call.ErrTransient, "clock_skew"},
		{`{"error": {"code": "requestTimeTooSkewed"}}`, call.ErrTransient, "clock_skew"},
		{"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", call.ErrExpired, "expired"},
		{strings.Repeat(" ", 8<<10) + "RequestTimeTooSkewed", call.ErrExpired, "expired"},
		{"", call.ErrExpired, "expired"},
	} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, test.body)
		})
		_, _, err := fetch(t, clientFor(t, Options{}, server), signed(server.URL))
		status, ok := errors.AsType[*StatusError](err)
		if !ok || !errors.Is(err, test.kind) || status.PartReason() != test.reason {
			t.Errorf("%.60q: %v", test.body, err)
		}
	}
}

func TestRedirectToOtherHost(t *testing.T) {
	var got *http.Request
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, sound)
	})
	other := "other.example.com:" + portOf(t, target)
	first := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "session="+secret)
		w.Header().Set("Location", "http://"+other+"/a%2Fb?token=1")
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(first.Close)
	c := clientFor(t, Options{Allow: []string{other}}, first)
	c.resolver = (&names{answers: map[string][][]string{"other.example.com": {{"127.0.0.1"}}}}).resolver()
	content, _, err := fetch(t, c, signed(first.URL))
	if err != nil || content != sound {
		t.Fatalf("fetch = %q, %v", content, err)
	}
	checkHeaders(t, got.Header)
	if got.Host != other || got.RequestURI != "/a%2Fb?token=1" {
		t.Errorf("asked %s for %s", got.Host, got.RequestURI)
	}
}

func TestRedirects(t *testing.T) {
	hops := 0
	var location string
	first := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			_, _ = io.WriteString(w, sound)
			return
		}
		hops++
		if hops == 3 && location == "/end-after-3" {
			w.Header().Set("Location", "/end?"+secret)
		} else if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	t.Cleanup(first.Close)
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked a host that is not allowed") })
	c := clientFor(t, Options{}, first)
	tests := []struct {
		name, location string
		hops           int
		ok             bool
	}{
		{"relative", "/end?" + secret, 1, true},
		{"absolute", first.URL + "/end?" + secret, 1, true},
		{"three", "/end-after-3", 3, true},
		{"loop", "/again?" + secret, 4, false},
		{"metadata", "https://169.254.169.254/" + secret, 1, false},
		{"plain http", plain.URL + "/" + secret, 1, false},
		{"same host, plain http", "http://localhost:" + portOf(t, first) + "/" + secret, 1, false},
		{"file", "file:///etc/" + secret, 1, false},
		{"user", "https://" + secret + "@media.example.com/", 1, false},
		{"fragment", "/end#" + secret, 1, false},
		{"not a URL", "https://media.example.com/%zz" + secret, 1, false},
		{"too long", "/end?" + strings.Repeat(secret, 4000), 1, false},
		{"none", "", 1, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hops, location = 0, test.location
			content, _, err := fetch(t, c, signed(first.URL))
			if hops != test.hops {
				t.Errorf("%d hops, want %d", hops, test.hops)
			}
			if test.ok && (err != nil || content != sound) || !test.ok && !errors.Is(err, call.ErrRefused) {
				t.Errorf("fetch = %q, %v", content, err)
			}
		})
	}
}

func TestRedirectWithLineBreak(t *testing.T) {
	server := raw(t, "HTTP/1.1 302 Found\r\nLocation: /a\rX-Injected: "+secret+"\r\nContent-Length: 0\r\n\r\n")
	if _, _, err := fetch(t, clientFor(t, Options{}, server), signed(server.URL)); err == nil {
		t.Error("followed")
	}
}

// The first four never get as far as a connection; the resolved address is
// refused on each attempt.
func TestResolvedAddresses(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, sound) })
	for _, address := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.1", "100.100.100.200", "::1", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe"} {
		t.Run(address, func(t *testing.T) {
			c := newClient(t, Options{})
			c.resolver = (&names{answers: map[string][][]string{"media.example.com": {{address}}}}).resolver()
			_, _, err := fetch(t, c, signed("https://media.example.com:"+portOf(t, server)))
			if !errors.Is(err, call.ErrRefused) || errors.Is(err, call.ErrTransient) {
				t.Errorf("fetch = %v", err)
			}
		})
	}
	t.Run("name that changes its mind", func(t *testing.T) {
		c := newClient(t, Options{Allow: []string{"127.0.0.1"}})
		c.transport.DisableKeepAlives = true
		c.resolver = (&names{answers: map[string][][]string{"media.example.com": {{"127.0.0.1"}, {"127.0.0.2"}}}}).resolver()
		target := signed("https://media.example.com:" + portOf(t, server))
		if _, _, err := fetch(t, c, target); !errors.Is(err, call.ErrTransient) { // connected, and no TLS there
			t.Errorf("allowed address: %v", err)
		}
		if _, _, err := fetch(t, c, target); !errors.Is(err, call.ErrRefused) {
			t.Errorf("other address: %v", err)
		}
	})
	t.Run("unknown name", func(t *testing.T) {
		c := newClient(t, Options{})
		c.resolver = (&names{}).resolver()
		if _, _, err := fetch(t, c, signed("https://media.example.com")); !errors.Is(err, call.ErrTransient) || errors.Is(err, call.ErrRefused) {
			t.Errorf("fetch = %v", err)
		}
	})
	t.Run("listed name", func(t *testing.T) {
		c := newClient(t, Options{Allow: []string{"media.example.com"}})
		c.resolver = (&names{answers: map[string][][]string{"media.example.com": {{"127.0.0.1"}}}}).resolver()
		if content, _, err := fetch(t, c, signed("http://media.example.com:"+portOf(t, server))); err != nil || content != sound {
			t.Errorf("fetch = %q, %v", content, err)
		}
	})
}

// The standard library reads the settings once per process, so this runs in a
// child that had them from the beginning.
func TestProxySettingsAreIgnored(t *testing.T) {
	const child = "DOWNLOAD_TEST_PROXY_CHILD"
	if os.Getenv(child) == "" {
		proxy := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked the proxy") })
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxySettingsAreIgnored$")
		cmd.Env = append(os.Environ(), child+"=1", "NO_PROXY=", "no_proxy=")
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
			cmd.Env = append(cmd.Env, name+"="+proxy.URL)
		}
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, output)
		}
		return
	}
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, sound) })
	c := newClient(t, Options{Allow: []string{"media.example.com"}})
	c.resolver = (&names{answers: map[string][][]string{"media.example.com": {{"127.0.0.1"}}}}).resolver()
	if content, _, err := fetch(t, c, signed("http://media.example.com:"+portOf(t, server))); err != nil || content != sound {
		t.Errorf("fetch = %q, %v", content, err)
	}
}

func TestNetworkErrors(t *testing.T) {
	selfSigned := httptest.NewUnstartedServer(nil)
	selfSigned.StartTLS()
	t.Cleanup(selfSigned.Close)
	oldTLS := httptest.NewUnstartedServer(nil)
	oldTLS.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	oldTLS.StartTLS()
	t.Cleanup(oldTLS.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	tests := []struct {
		name   string
		server *httptest.Server
		trust  bool
	}{
		{"nobody listens", gone, false},
		{"unknown certificate", selfSigned, false},
		{"old TLS", oldTLS, true},
		{"closed at once", raw(t, ""), false},
		{"not http", raw(t, "SSH-2.0 "+secret+"\r\n\r\n"), false},
		{"bad header", raw(t, "HTTP/1.1 200 OK\r\n"+secret+"\r\n\r\n"), false},
		{"endless header", raw(t, "HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("a", maxHeaderBytes+5000)+"\r\nContent-Length: 0\r\n\r\n"), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t, Options{Allow: []string{hostOf(t, test.server)}})
			if test.trust {
				c = clientFor(t, Options{}, test.server)
			}
			_, _, err := fetch(t, c, signed(test.server.URL))
			if !errors.Is(err, call.ErrTransient) || errors.Is(err, call.ErrRefused) {
				t.Errorf("fetch = %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), hostOf(t, test.server)) {
				t.Errorf("the error does not name the host: %v", err)
			}
		})
	}
}

// TestCertificates meets media hosts whose certificate is trusted, but has
// expired or is another host's: no byte is read from them.
func TestCertificates(t *testing.T) {
	for name, test := range map[string]struct {
		host  string
		clock time.Duration // of ours before the certificate's own time
		says  string
	}{
		"sound":      {"example.com", 0, ""},
		"expired":    {"example.com", 200 * 365 * 24 * time.Hour, "expired"},
		"not yet":    {"example.com", -200 * 365 * 24 * time.Hour, "not yet valid"},
		"wrong host": {"media.example.net", 0, "not media.example.net"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := false
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked = true
				_, _ = io.WriteString(w, sound)
			}))
			t.Cleanup(server.Close)
			c := clientFor(t, Options{Allow: []string{test.host}}, server)
			c.resolver = (&names{answers: map[string][][]string{test.host: {{"127.0.0.1"}}}}).resolver()
			c.transport.TLSClientConfig.Time = func() time.Time { return time.Now().Add(test.clock) }
			content, _, err := fetch(t, c, signed("https://"+test.host+":"+portOf(t, server)))
			if test.says == "" {
				if err != nil || content != sound {
					t.Errorf("fetch = %q, %v", content, err)
				}
				return
			}
			if asked || !errors.Is(err, call.ErrTransient) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("asked %t, fetch = %v", asked, err)
			}
		})
	}
}

func TestGetEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped by the test")
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(stop)
		<-r.Context().Done()
	})
	_, err := clientFor(t, Options{}, server).Get(ctx, signed(server.URL), call.MediaPart{})
	if hush(t, err); !errors.Is(err, stop) || errors.Is(err, call.ErrTransient) {
		t.Errorf("Get = %v", err)
	}
}

func TestLogShowsNoURL(t *testing.T) {
	var logged bytes.Buffer
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	c := clientFor(t, Options{Log: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))}, server)
	if _, _, err := fetch(t, c, signed(server.URL)); err != nil {
		t.Fatal(err)
	}
	if text := logged.String(); strings.Contains(text, secret) || !strings.Contains(text, hostOf(t, server)) || !strings.Contains(text, "WARN") {
		t.Errorf("logged %q", text)
	}
}
