package download

import (
	"errors"
	"strings"
	"testing"

	"callsyncd/call"
)

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestParseURL(t *testing.T) {
	allow := []string{"media.local", "127.0.0.1:8080", "LocalHost.:9000", "10.1.0.0/16", "[fd00::7]:443", "192.168.1.5", "::1"}
	tests := []struct {
		name, url string
		ok        bool
	}{
		{"signed", "https://media.example.com/a%2Fb.mp3?X-Amz-Signature=canary", true},
		{"other port", "https://media.example.com:8443/a", true},
		{"trailing dot", "https://media.example.com./a", true},
		{"upper case", "HTTPS://MEDIA.EXAMPLE.COM/a", true},
		{"public address", "https://1.1.1.1/a", true},
		{"allowed host, plain", "http://media.local/canary", true},
		{"allowed host, other case", "http://MEDIA.local./canary", true},
		{"allowed pair", "http://127.0.0.1:8080/canary", true},
		{"allowed pair of names", "http://localhost:9000/canary", true},
		{"allowed network", "http://10.1.2.3:81/canary", true},
		{"allowed network, mapped", "http://[::ffff:10.1.2.3]/canary", true},
		{"allowed address", "https://192.168.1.5/canary", true},
		{"allowed v6 pair", "http://[fd00::7]:443/canary", true},
		{"allowed v6", "https://[::1]:1/canary", true},
		{"at the limit", "https://media.example.com/" + strings.Repeat("a", maxURLBytes-26), true},

		{"empty", "", false},
		{"file", "file:///etc/canary", false},
		{"gopher", "gopher://media.example.com/canary", false},
		{"ftp", "ftp://media.example.com/canary", false},
		{"data", "data:audio/wav;base64,canary", false},
		{"opaque", "https:media.example.com/canary", false},
		{"plain http", "http://media.example.com/canary", false},
		{"no scheme", "//media.example.com/canary", false},
		{"relative", "/canary", false},
		{"no host", "https:///canary", false},
		{"only port", "https://:443/canary", false},
		{"port 0", "https://media.example.com:0/canary", false},
		{"port too large", "https://media.example.com:65536/canary", false},
		{"over the limit", "https://media.example.com/" + strings.Repeat("a", maxURLBytes-25), false},
		{"one megabyte", "https://media.example.com/" + strings.Repeat("a", 1<<20), false},
		{"user", "https://user@media.example.com/canary", false},
		{"user and password", "https://user:canary@media.example.com/", false},
		{"address as user", "https://127.0.0.1@media.example.com/canary", false},
		{"fragment", "https://media.example.com/a#canary", false},
		{"empty fragment", "https://media.example.com/canary#", false},
		{"line break", "https://media.example.com/a\r\ncanary", false},
		{"tab", "https://media.example.com/a\tcanary", false},
		{"nul", "https://media.example.com/a\x00canary", false},
		{"delete", "https://media.example.com/a\x7fcanary", false},
		{"bad escape", "https://media.example.com/%zzcanary", false},
		{"space in host", "https://media example.com/canary", false},
		{"wide dots in host", "https://127。0。0。1/canary", false},
		{"backslash in host", `https://media.example.com\@127.0.0.1/canary`, false},
		{"loopback", "https://127.0.0.1/canary", false},
		{"loopback, other port", "https://127.0.0.1:8081/canary", false},
		{"v6 loopback of a mapped kind", "https://[::ffff:127.0.0.1]/canary", false},
		{"private", "https://10.0.0.1/canary", false},
		{"metadata", "https://169.254.169.254/latest/canary", false},
		{"v6 metadata", "https://[fd00:ec2::254]/canary", false},
		{"mapped", "https://[::ffff:10.0.0.1]/canary", false},
		{"nat64", "https://[64:ff9b::a9fe:a9fe]/canary", false},
		{"zone", "https://[fe80::1%25eth0]/canary", false},
		{"shared space", "https://100.100.100.200/canary", false},
		{"oracle metadata", "https://192.0.0.192/canary", false},
		{"azure agent", "https://168.63.129.16/canary", false},
		{"localhost", "https://localhost/canary", false},
		{"localhost with dot", "https://LOCALHOST./canary", false},
		{"below localhost", "https://x.localhost/canary", false},
		{"address as one number", "https://2130706433/canary", false},
		{"hexadecimal address", "https://0x7f000001/canary", false},
		{"hexadecimal parts", "https://0x7f.0x0.0x0.0x1/canary", false},
		{"octal address", "https://0177.0.0.1/canary", false},
		{"short address", "https://127.1/canary", false},
		{"address with dot", "https://127.0.0.1./canary", false},
		{"number below a name", "https://media.example.com.1/canary", false},
		{"digits in a name", "https://1.media-2.example.c0m/a", true},
		{"allowed host below", "http://x.media.local/canary", false},
	}
	c := newClient(t, Options{Allow: allow})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u, err := c.parseURL(test.url)
			switch {
			case test.ok && err != nil:
				t.Errorf("refused: %v", err)
			case test.ok:
			case !errors.Is(err, call.ErrRefused):
				t.Errorf("parseURL = %v, %v; want refused", u, err)
			case strings.Contains(err.Error(), "canary"):
				t.Errorf("the error shows the URL: %v", err)
			}
		})
	}
}

// TestLocalNamesOfAllowedAddresses: localhost is this machine, as its address is.
func TestLocalNamesOfAllowedAddresses(t *testing.T) {
	for _, test := range []struct {
		allow, url string
		ok         bool
	}{
		{"127.0.0.1", "http://localhost:8080/a", true}, {"127.0.0.0/8", "https://LOCALHOST./a", true}, {"127.0.0.1", "http://a.localhost/a", true},
		{"127.0.0.2", "http://localhost/a", false}, {"10.0.0.0/8", "https://localhost/a", false}, {"127.0.0.1", "http://nas.local/a", false},
		{"127.0.0.1:80", "http://localhost/a", false},
	} {
		_, err := newClient(t, Options{Allow: []string{test.allow}}).parseURL(test.url)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, call.ErrRefused) {
			t.Errorf("%s with %s allowed: %v", test.url, test.allow, err)
		}
	}
}

func TestNewRefusesAllow(t *testing.T) {
	for _, entry := range []string{"", " ", "*", "*.example.com", "https://media.local", "media.local:", "media.local:x",
		"media.local/path", "10.0.0.0/33", "::ffff:10.0.0.0/104", "a:b:c", "bücher.example"} {
		if _, err := New(Options{Allow: []string{entry}}); err == nil {
			t.Errorf("allowed %q", entry)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, seed := range []string{"https://media.example.com/a?b=c", "http://media.local:80/", "https://[::1%25lo]:1/#", "HTTP://10.0.0.1", "https://a@b"} {
		f.Add(seed)
	}
	c, err := New(Options{Allow: []string{"media.local"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := c.parseURL(raw)
		if err != nil {
			if !errors.Is(err, call.ErrRefused) {
				t.Fatalf("parseURL(%q) = %v", raw, err)
			}
			return
		}
		listed := normalHost(u.Hostname()) == "media.local"
		if u.User != nil || u.Fragment != "" || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && listed) ||
			isPrivateName(u.Hostname()) {
			t.Fatalf("accepted %q", raw)
		}
		// A redirect is checked in its String form.
		if again, err := c.parseURL(u.String()); err == nil && again.String() != u.String() {
			t.Fatalf("%q became %q", u, again)
		}
	})
}
