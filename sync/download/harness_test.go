package download

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"callsyncd/call"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http's words on hosts that misbehave
	goleak.VerifyTestMain(m)
}

// secret is in every signed URL of the tests and must be in no error.
const secret = "canary"

// signed is the address of a recording at a server.
func signed(base string) call.SignedURL {
	return call.SignedURL(base + "/recordings/" + secret + ".mp3?X-Amz-Signature=" + secret)
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// clientFor is a client that may reach these servers and no other.
func clientFor(t *testing.T, o Options, servers ...*httptest.Server) *Client {
	t.Helper()
	roots := x509.NewCertPool()
	for _, server := range servers {
		o.Allow = append(o.Allow, hostOf(t, server))
		if server.Certificate() != nil {
			roots.AddCert(server.Certificate())
		}
	}
	c := newClient(t, o)
	c.transport.TLSClientConfig.RootCAs = roots
	return c
}

func hostOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func portOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	_, port := splitHostPort(hostOf(t, server))
	return port
}

// fetch gets a recording to its end.
func fetch(t *testing.T, c *Client, u call.SignedURL) (string, *Response, error) {
	t.Helper()
	return fetchRest(t, c, u, call.MediaPart{})
}

// fetchRest gets what is missing of a recording.
func fetchRest(t *testing.T, c *Client, u call.SignedURL, have call.MediaPart) (string, *Response, error) {
	t.Helper()
	response, err := c.Get(t.Context(), u, have)
	if err != nil {
		return "", nil, hush(t, err)
	}
	content, err := io.ReadAll(response.Body)
	if closeErr := response.Body.Close(); closeErr != nil {
		t.Errorf("close: %v", closeErr)
	}
	return string(content), response, hush(t, err)
}

// hush fails when an error shows the URL.
func hush(t *testing.T, err error) error {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), secret) {
		t.Errorf("the error shows the URL: %v", err)
	}
	return err
}

// raw serves one fixed answer per connection, byte for byte, then closes it.
func raw(t *testing.T, answer string) *httptest.Server {
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, answer)
		_ = conn.Close()
	})
}

// names is a resolver for tests: the answers of each name, one list per lookup,
// the last one for good.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.answer(server)
		return client, nil
	}}
}

// answer serves one query in the framing of DNS over TCP.
func (n *names) answer(conn net.Conn) {
	defer conn.Close()
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	packed := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, packed); err != nil {
		return
	}
	var message dnsmessage.Message
	if err := message.Unpack(packed); err != nil {
		return
	}
	message.Response, message.Additionals = true, nil
	message.Answers = n.records(message.Questions[0])
	reply, err := message.AppendPack(make([]byte, 2))
	if err != nil {
		return
	}
	binary.BigEndian.PutUint16(reply, uint16(len(reply)-2))
	_, _ = conn.Write(reply)
}

func (n *names) records(q dnsmessage.Question) []dnsmessage.Resource {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.TrimSuffix(q.Name.String(), ".")
	lists := n.answers[name]
	if len(lists) == 0 {
		return nil
	}
	if len(lists) > 1 && q.Type == dnsmessage.TypeA {
		n.answers[name] = lists[1:]
	}
	var records []dnsmessage.Resource
	for _, text := range lists[0] {
		address := netip.MustParseAddr(text)
		head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type}
		switch {
		case address.Is4() && q.Type == dnsmessage.TypeA:
			records = append(records, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: address.As4()}})
		case address.Is6() && q.Type == dnsmessage.TypeAAAA:
			records = append(records, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}})
		}
	}
	return records
}
