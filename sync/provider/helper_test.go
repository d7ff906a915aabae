package provider

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"callsyncd/call"
)

// testSecret is the value of every credential in tests; it must never be seen.
const testSecret = "s3cret-0123456789"

// builtin binds a built-in description to a test account.
func builtin(t testing.TB, name string, rt http.RoundTripper) *Provider {
	t.Helper()
	d, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return bind(t, d, Options{Transport: rt})
}

// bind fills in what the options of a test leave out.
func bind(t testing.TB, d *Description, o Options) *Provider {
	t.Helper()
	o.Source = "test"
	o.Credentials = map[string]call.Secret{}
	for _, c := range d.Credentials() {
		if !c.Optional {
			o.Credentials[c.Name] = testSecret
		}
	}
	if o.Transport == nil {
		o.Transport = answers(func(r *http.Request) (*http.Response, error) {
			t.Errorf("unexpected request to %s", r.URL.Path)
			return respond(500, ""), nil
		})
	}
	p, err := New(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// parse reads a description written in a test.
func parse(t testing.TB, text string) *Description {
	t.Helper()
	d, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// answers is a network made of a function.
type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body string, header ...string) *http.Response {
	h := http.Header{"Date": {"Mon, 01 Jun 2026 12:00:00 GMT"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
}

// object is a JSON object with one text field.
func object(name, value string) json.RawMessage {
	body, err := json.Marshal(map[string]string{name: value})
	if err != nil {
		panic(err)
	}
	return body
}
