package endtoend

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"callsyncd/call"
)

// addresses are attacks 38 to 40: where a recording is said to be.
func addresses() []attack {
	var rows []attack
	for name, address := range map[string]any{
		"file": "file:///etc/passwd", "gopher": "gopher://media.example.com:70/1", "ftp": "ftp://media.example.com/a.wav",
		"no_scheme": "//media.example.com/a.wav", "relative": "/recordings/a.wav", "data": "data:audio/wav;base64,UklGRg==",
		"javascript": "javascript:alert(1)", "opaque": "https:media.example.com/a.wav", "no_host": "https:///a.wav",
		"bad_escape": "https://media.example.com/%zz", "line_break": "https://media.example.com/a\r\nX-Injected: 1",
	} {
		rows = append(rows, badAddress(38, name, address, "pending bad_url"))
	}
	for name, address := range map[string]any{
		"plain_http": "http://media.example.com/a.wav", "one_megabyte": "https://media.example.com/" + strings.Repeat("a", 1<<20),
		"user": "https://user:secret@media.example.com/a.wav", "address_as_user": "https://127.0.0.1@evil.example.com/a.wav",
		"fragment": "https://media.example.com/a.wav#x", "port_0": "https://media.example.com:0/a.wav",
	} {
		rows = append(rows, badAddress(38, name, address, "pending refused"))
	}
	for name, address := range map[string]any{"empty": "", "number": 42, "object": map[string]any{"href": "https://media.example.com"}, "null": nil} {
		rows = append(rows, badAddress(38, name, address, "pending not_ready"))
	}
	for name, host := range map[string]string{
		"loopback": "127.0.0.1", "loopback_v6": "[::1]", "private_10": "10.0.0.1", "private_172": "172.16.0.1", "private_192": "192.168.1.1",
		"metadata": "169.254.169.254", "metadata_v6": "[fd00:ec2::254]", "mapped": "[::ffff:10.0.0.1]", "nat64": "[64:ff9b::a9fe:a9fe]",
		"shared_space": "100.100.100.200", "oracle": "192.0.0.192", "azure": "168.63.129.16", "unspecified": "0.0.0.0",
		"localhost": "localhost", "localhost_dot": "LOCALHOST.", "below_localhost": "a.localhost", "zone": "[fe80::1%25lo]",
		"decimal": "2130706433", "hexadecimal": "0x7f000001", "octal": "0177.0.0.1", "short": "127.1",
	} {
		rows = append(rows, badAddress(39, name, "https://"+host+"/a.wav", "pending refused"))
	}
	return append(rows, trapped(),
		attack{number: 40, name: "public_name_of_a_private_address", elsewhere: "sync/download TestResolvedAddresses"},
		attack{number: 40, name: "name_that_changes_its_mind", elsewhere: "sync/download TestResolvedAddresses"})
}

// badAddress is a call whose recording must never be asked for.
func badAddress(number int, name string, address any, state string) attack {
	id := fmt.Sprintf("%d-%s", number, name)
	return attack{
		number: number, name: name, account: "addresses",
		do:    func(r *rogue) { r.add(id, map[string]any{"recordingUrl": address}) },
		check: unrecorded(id, state), most: 90,
	}
}

// trapped points at a server of this machine that is not the media host.
func trapped() attack {
	var connections atomic.Int64
	var trap *httptest.Server
	return attack{
		number: 39, name: "another_port_of_this_machine",
		do: func(r *rogue) {
			trap = httptest.NewUnstartedServer(http.NotFoundHandler())
			trap.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					connections.Add(1)
				}
			}
			trap.StartTLS()
			r.add("a", map[string]any{"recordingUrl": trap.URL + "/a.wav"})
		},
		check: func(t *testing.T, o *outcome) {
			unrecorded("a", "pending refused")(t, o)
			trap.Close()
			if n := connections.Load(); n > 0 {
				t.Errorf("%d connections", n)
			}
		},
	}
}

// redirects are attacks 41 to 43: where the media host and the API send us,
// and what they call a file.
func redirects() []attack {
	rows := []attack{
		redirected("to_metadata_address", func(*rogue) string { return "https://169.254.169.254/latest/meta-data/?sig=" + canarySignature }),
		redirected("to_a_file", func(*rogue) string { return "file:///etc/passwd" }),
		redirected("to_plain_http", func(*rogue) string { return "http://media.example.com/a.wav" }),
		redirected("to_a_user", func(*rogue) string { return "https://" + canarySignature + "@media.example.com/" }),
		redirected("to_nowhere", func(*rogue) string { return "" }),
		redirected("loop", func(r *rogue) string { return r.mediaURL("a") }),
		{number: 41, name: "https_to_http", elsewhere: "sync/download TestRedirects"},
		{number: 41, name: "location_with_line_break", elsewhere: "sync/download TestRedirectWithLineBreak"},
		{number: 42, name: "proxy_settings", elsewhere: "sync/download TestProxySettingsAreIgnored"},
		tenHops(), otherHost(), apiElsewhere(),
	}
	for name, header := range map[string]string{
		"path": `attachment; filename="../../../x.sh"`, "encoded_path": "attachment; filename*=UTF-8''%2e%2e%2f%2e%2e%2fx.sh",
		"ten_kilobytes": `attachment; filename="` + strings.Repeat("a", 10<<10) + `.wav"`,
	} {
		rows = append(rows, attack{
			number: 43, name: name,
			do: func(r *rogue) {
				r.add("a", nil)
				r.media = func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Disposition", header)
					_, _ = w.Write(sound(2))
				}
			},
			check: storedAs("a"),
		})
	}
	return rows
}

var ownName = regexp.MustCompile(`^recordings/[a-z0-9-]+/\d{4}/\d\d/\d\d/\d{8}T\d{6}Z_[A-Za-z0-9._-]{1,73}_[0-9a-f]{12}\.wav$`)

// storedAs checks that a recording is stored under a name of our making.
func storedAs(id string) func(*testing.T, *outcome) {
	return func(t *testing.T, o *outcome) {
		t.Helper()
		believed(len(o.rogue.calls))(t, o)
		r := o.calls[call.ID(id)].Recording
		if r == nil || r.File == nil || !ownName.MatchString(*r.File) {
			t.Errorf("recording %+v", r)
		}
	}
}

func redirected(name string, where func(*rogue) string) attack {
	return attack{
		number: 41, name: name,
		do: func(r *rogue) {
			r.add("a", nil)
			r.media = func(w http.ResponseWriter, _ *http.Request) {
				if to := where(r); to != "" {
					w.Header().Set("Location", to)
				}
				w.WriteHeader(http.StatusFound)
			}
		},
		check: unrecorded("a", "pending refused"),
	}
}

func tenHops() attack {
	return attack{
		number: 41, name: "ten_hops",
		do: func(r *rogue) {
			r.add("a", nil)
			r.media = func(w http.ResponseWriter, req *http.Request) {
				if hops := len(req.URL.Query().Get("hops")); hops < 10 {
					http.Redirect(w, req, r.mediaURL("a")+"&hops="+strings.Repeat("x", hops+1), http.StatusFound)
					return
				}
				_, _ = w.Write(sound(2))
			}
		},
		check: unrecorded("a", "pending refused"),
	}
}

// otherHost sends us on to a second media host, which looks for what we bring.
func otherHost() attack {
	var brought http.Header
	var second *httptest.Server
	return attack{
		number: 41, name: "to_another_host_without_secrets",
		do: func(r *rogue) {
			second = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				brought = r.Header.Clone()
				_, _ = w.Write(sound(2))
			}))
			r.allow = []string{second.Listener.Addr().String()}
			r.add("a", nil)
			r.media = func(w http.ResponseWriter, req *http.Request) {
				w.Header().Set("Set-Cookie", "session=1; Path=/")
				http.Redirect(w, req, second.URL+"/a.wav", http.StatusFound)
			}
		},
		check: func(t *testing.T, o *outcome) {
			storedAs("a")(t, o)
			second.Close()
			for name := range brought {
				switch name {
				case "Accept", "Accept-Encoding", "User-Agent":
				default:
					t.Errorf("the other host was sent %s: %s", name, brought.Get(name))
				}
			}
		},
	}
}

// apiElsewhere lets the API itself send us, and our credentials, to the media host.
func apiElsewhere() attack {
	return attack{
		number: 41, name: "api_to_another_host",
		do: func(r *rogue) {
			r.list = func(w http.ResponseWriter, req *http.Request, _ int) {
				http.Redirect(w, req, r.mediaURL("a")+"&token="+canaryToken, http.StatusTemporaryRedirect)
			}
		},
		check: suspicious(0, "redirects to another address", "refused"),
	}
}

func zip(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}
