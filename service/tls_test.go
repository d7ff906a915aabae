package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callsyncd/call"
	callsync "callsyncd/sync"
	"callsyncd/sync/provider"
)

// certified is a server with a certificate for this name and time, and the
// roots that would vouch for it. It counts who knocks.
func certified(t *testing.T, name string, from, until time.Time, handshakes *atomic.Int64, h http.Handler) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			handshakes.Add(1)
			return nil, nil
		},
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, roots
}

// TestVendorCertificates meets vendors that cannot prove who they are: they get
// no request, no credential and no second try at once.
func TestVendorCertificates(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		host        string
		from, until time.Time
		trusted     bool
		says        string // empty: it is asked
	}{
		"sound":       {"localhost", now.Add(-time.Hour), now.Add(time.Hour), true, ""},
		"expired":     {"localhost", now.Add(-2 * time.Hour), now.Add(-time.Hour), true, "expired"},
		"not yet":     {"localhost", now.Add(time.Hour), now.Add(2 * time.Hour), true, "not yet valid"},
		"wrong host":  {"api.example.com", now.Add(-time.Hour), now.Add(time.Hour), true, "not localhost"},
		"self-signed": {"localhost", now.Add(-time.Hour), now.Add(time.Hour), false, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			var requests, handshakes atomic.Int64
			server, roots := certified(t, test.host, test.from, test.until, &handshakes, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				_, _ = w.Write([]byte(`{"calls":[],"total":0}`))
			}))
			transport := apiTransport().(*http.Transport)
			if transport.TLSClientConfig.RootCAs = roots; !test.trusted {
				transport.TLSClientConfig.RootCAs = x509.NewCertPool()
			}
			defer transport.CloseIdleConnections()
			description, err := provider.Load("callcamp")
			if err != nil {
				t.Fatal(err)
			}
			budget := callsync.NewBudget("crm", nil, time.Second)
			p, err := provider.New(description, provider.Options{
				Source: "crm", BaseURL: strings.Replace(server.URL, "127.0.0.1", "localhost", 1),
				Credentials: map[string]call.Secret{"token": "canary-token"}, Transport: budget.Transport(transport),
			})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Check(t.Context())
			if test.says == "" {
				if err != nil || requests.Load() != 1 {
					t.Errorf("%d requests, %v", requests.Load(), err)
				}
				return
			}
			failure, ok := errors.AsType[*provider.Error](err)
			if !ok || !errors.Is(err, call.ErrTransient) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "source crm") {
				t.Errorf("%v", err)
			} else if !strings.Contains(failure.Hint, "base_url of source crm") {
				t.Errorf("hint %q", failure.Hint)
			}
			if requests.Load() != 0 || handshakes.Load() != 1 {
				t.Errorf("%d requests, %d handshakes", requests.Load(), handshakes.Load())
			}
		})
	}
}
