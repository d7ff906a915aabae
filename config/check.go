package config

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"callsyncd/call"
	"callsyncd/config/schedule"
)

const (
	maxInFlight = 32
	maxRequests = 1_000_000
)

const (
	sourceNamePattern     = `^[a-z0-9-]{1,32}$`
	credentialNamePattern = `^[a-z0-9_]{1,32}$`
)

var (
	sourceName     = regexp.MustCompile(sourceNamePattern)
	credentialName = regexp.MustCompile(credentialNamePattern)
	hostName       = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
)

// understand turns what is written into cfg and reports what is wrong with it.
func (r *reader) understand(cfg *Config, f *file, o Options) {
	cfg.DataDir = r.dataDir("data_dir", f.DataDir)
	cfg.API.Listen = r.listen("api.listen", f.API.Listen)
	if f.API.AllowRemote || f.API.TLS != (tlsFile{}) {
		r.problem("api.allow_remote", "remote access with TLS is not supported yet; remove allow_remote and tls, and reach the API through an SSH tunnel")
	}
	r.sources(cfg, f, o)
	cfg.Recordings.Parallel = r.count("recordings.parallel", f.Recordings.Parallel, maxInFlight)
	cfg.Recordings.MinFreeBytes = r.size("recordings.min_free", f.Recordings.MinFree)
	cfg.Recordings.MaxBytesPerSecond = r.rate("recordings.max_rate", f.Recordings.MaxRate)
	cfg.Search.Languages = r.languages("search.languages", f.Search.Languages)
	cfg.Redaction.CardNumbers = f.Redaction.CardNumbers
	if !f.Redaction.CardNumbers {
		r.problem("redaction.card_numbers", "switching it off is not supported yet; write true or delete the line")
	}
	if len(f.Retention) > 0 {
		r.problem("retention", "retention rules are not supported yet; write [] or delete the line")
	}
	if f.Heartbeat != "" {
		r.problem("heartbeat_url", "is not supported yet; write \"\" or delete the line")
	}
}

func (r *reader) dataDir(key, dir string) string {
	switch {
	case r.bad[key]:
	case dir == "":
		r.problem(key, "is missing; name the folder for the archive, such as /var/lib/callsyncd")
	case !filepath.IsAbs(dir):
		r.problem(key, "%q is not an absolute path, such as /var/lib/callsyncd", printable(dir))
	case filepath.Dir(filepath.Clean(dir)) == filepath.Clean(dir):
		r.problem(key, "%q is the root of a file system; name a folder of its own, such as /var/lib/callsyncd", printable(dir))
	}
	return filepath.Clean(dir)
}

func (r *reader) listen(key, listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		r.problem(key, "%q is not an address and port, such as 127.0.0.1:7411", printable(listen))
		return ""
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		r.problem(key, "port %q is not a number from 0 to 65535", printable(port))
		return ""
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case strings.EqualFold(host, "localhost"):
		r.problem(key, "write 127.0.0.1 instead of localhost, which may mean more than one address")
	case err != nil:
		r.problem(key, "%q is not an IP address; only 127.0.0.1 and [::1] can be used", printable(host))
	case !addr.IsLoopback() || addr.Is4In6():
		r.problem(key, "%s is not an address of this machine only; use 127.0.0.1 or [::1]", addr.WithZone(""))
	}
	return listen
}

func (r *reader) count(key string, n, most int) int {
	if n < 1 || n > most {
		r.problem(key, "%d is not from 1 to %d", n, most)
	}
	return n
}

func (r *reader) size(key, text string) int64 {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 || strings.HasPrefix(text, "-") {
		r.problem(key, "%q is not a size, such as 5GiB or 500MB", printable(text))
		return 0
	}
	return int64(n)
}

// leastRate is the slowest rate at which recordings can be expected to arrive
// before their links expire.
const leastRate = 64 << 10

// rate reads bytes a second; "" is no limit, as 0 is.
func (r *reader) rate(key, text string) int64 {
	if text == "" {
		return 0
	}
	n := r.size(key, text)
	if n > 0 && n < leastRate {
		r.problem(key, "%s a second is too slow to fetch recordings before they expire; use at least 64KiB, or 0 for no limit", printable(text))
	}
	return n
}

func (r *reader) languages(key string, languages []string) []string {
	if len(languages) == 0 {
		r.problem(key, "is empty; name at least one language, such as [en]")
	}
	for i, l := range languages {
		item := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case r.bad[item]:
		case !slices.Contains(Languages, l):
			r.problem(item, "%q is not a language we can index; known are %s", printable(l), strings.Join(Languages, ", "))
		case slices.Index(languages, l) < i:
			r.problem(item, "%q is given twice", l)
		}
	}
	return languages
}

func (r *reader) duration(key, text string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		r.problem(key, "%q is not a duration, such as 90s, 30m or 72h", printable(text))
		return 0
	}
	if d < least {
		r.problem(key, "%v is shorter than %v", d, least)
	}
	return d
}

func (r *reader) schedule(key, text string) schedule.Schedule {
	if r.bad[key] {
		return schedule.Schedule{}
	}
	s, err := schedule.Parse(text)
	if err != nil {
		r.problem(key, "%s", printableError(err))
		return s
	}
	if s.Every() > 0 && s.Every() < schedule.Brisk {
		r.warn(key, "%v is short for a vendor's API; a minute or more is usual", s.Every())
	}
	return s
}

// since reads a date or an RFC 3339 time.
func (r *reader) since(key, text string) time.Time {
	if _, given := r.places[key]; !given || r.bad[key] {
		return time.Time{}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			if t.After(time.Now()) {
				r.warn(key, "%s is in the future: no call will be stored until then", t.UTC().Format(time.RFC3339))
			}
			return t.UTC()
		}
	}
	r.problem(key, "%q is not a date such as 2024-01-01 or a time such as 2024-01-01T00:00:00Z", printable(text))
	return time.Time{}
}

// baseURL never quotes the text, which may hold a password.
func (r *reader) baseURL(key, text string) string {
	if _, given := r.places[key]; !given || r.bad[key] {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		r.problem(key, "is not an address such as https://api.example.com/v1")
	case u.User != nil:
		r.problem(key, "must not hold a user name or password; use credentials")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		r.problem(key, "must not hold a query (?) or fragment (#)")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		r.problem(key, "must begin with https://; http:// is only for this machine itself, such as http://127.0.0.1:8080")
	}
	return strings.TrimRight(text, "/")
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

var units = map[string]time.Duration{
	"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour,
}

func (r *reader) budget(key string, b budgetFile) call.RateLimit {
	if !r.bad[key+".requests"] {
		r.count(key+".requests", b.Requests, maxRequests)
	}
	per, ok := units[b.Per]
	if !ok && !r.bad[key+".per"] {
		d, err := time.ParseDuration(b.Per)
		if err != nil || d < time.Second {
			r.problem(key+".per", "%q is not second, minute, hour, day or a duration of at least 1s", printable(b.Per))
		}
		per = d
	}
	return call.RateLimit{Requests: b.Requests, Per: per}
}

// privateHost returns a host, host:port or CIDR in lower case.
func (r *reader) privateHost(key, text string) string {
	text = strings.ToLower(text)
	if prefix, err := netip.ParsePrefix(text); err == nil {
		if prefix.Bits() == 0 {
			r.problem(key, "%s allows every address; name the networks that are yours", prefix)
		}
		return prefix.Masked().String()
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), "443"
	}
	n, portErr := strconv.ParseUint(port, 10, 16)
	if _, err := netip.ParseAddr(host); (err != nil && !hostName.MatchString(host)) || strings.Contains(port, "/") {
		r.problem(key, "%q is not a host, host:port or network such as 10.0.0.0/8 (without https://)", printable(text))
	} else if portErr != nil || n == 0 {
		r.problem(key, "port %q is not a number from 1 to 65535", printable(port))
	}
	return text
}

// printableError puts an error of ours on one short line.
func printableError(err error) string {
	const longest = 300
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "..."
	}
	return text
}
