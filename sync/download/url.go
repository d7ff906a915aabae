package download

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"callsyncd/call"
)

const maxURLBytes = 16 << 10

// parseURL checks everything about a URL that can be checked before its host
// is resolved. Errors are call.ErrRefused and show the host at most.
func (c *Client) parseURL(raw string) (*url.URL, error) {
	if len(raw) > maxURLBytes {
		return nil, refuse("URL of %d bytes", len(raw))
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return nil, refuse("URL with control characters")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, refuse("not a URL")
	case u.User != nil:
		return nil, refuse("URL with a user name")
	case strings.Contains(raw, "#"):
		return nil, refuse("URL with a fragment")
	case !isHost(u.Hostname()) || u.Opaque != "" || !isPort(u.Port()):
		return nil, refuse("URL without a usable host")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	allowed := c.allow.permits(u.Hostname(), port)
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, refuse("scheme %q of a URL at %s", u.Scheme, u.Host)
	case u.Scheme == "http" && !allowed:
		return nil, refuse("plain http at %s", u.Host)
	case !allowed && isPrivateName(u.Hostname()):
		return nil, refuse("private address %s", u.Host)
	}
	return u, nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("recording %s: %w", fmt.Sprintf(format, args...), call.ErrRefused)
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,253}$`)

// numberPattern matches the last part of an IPv4 address in the notations of
// old, such as 2130706433, 0x7f.1 and 127.1: names never end so, and some
// resolvers take them for addresses.
var numberPattern = regexp.MustCompile(`(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?$`)

// isHost reports whether host is an IP address or an ASCII name.
func isHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || hostPattern.MatchString(host) && !numberPattern.MatchString(host)
}

// isPort reports whether port is absent or a number of a port.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// isPrivateName reports whether host is known not to be public without asking
// a resolver.
func isPrivateName(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return !isPublic(address)
	}
	return isLocalName(host)
}

// isLocalName reports whether host means this machine (RFC 6761).
func isLocalName(host string) bool {
	host = normalHost(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

func normalHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// allowList is Options.Allow, parsed.
type allowList struct {
	hosts    map[string]bool // "host" and "host:port", lower case
	prefixes []netip.Prefix
}

func parseAllow(entries []string) (allowList, error) {
	list := allowList{hosts: map[string]bool{}}
	for _, entry := range entries {
		if err := list.add(entry); err != nil {
			return allowList{}, fmt.Errorf("allowed private host %q: %w", entry, err)
		}
	}
	return list, nil
}

func (l *allowList) add(entry string) error {
	if prefix, err := netip.ParsePrefix(entry); err == nil {
		if prefix.Addr().Is4In6() {
			return errors.New("write it as an IPv4 network")
		}
		l.prefixes = append(l.prefixes, prefix.Masked())
		return nil
	}
	if address, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
		address = address.Unmap().WithZone("")
		l.prefixes = append(l.prefixes, netip.PrefixFrom(address, address.BitLen()))
		return nil
	}
	host, port, err := net.SplitHostPort(entry)
	if err != nil {
		host, port = entry, ""
	}
	if !isHost(host) || !isPort(port) || err == nil && port == "" {
		return errors.New("want a host, host:port, IP address or CIDR")
	}
	l.hosts[joinHostPort(host, port)] = true
	return nil
}

// permits reports whether a URL may name this host although it is private:
// listed, or an address inside a listed network, or a name of this machine, where
// 127.0.0.1 is. What a name resolves to is looked at again at every dial.
func (l *allowList) permits(host, port string) bool {
	if l.lists(host, port) {
		return true
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return l.contains(address)
	}
	return isLocalName(host) && l.contains(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
}

// lists reports whether the host is listed, alone or with this port.
func (l *allowList) lists(host, port string) bool {
	return l.hosts[joinHostPort(host, "")] || l.hosts[joinHostPort(host, port)]
}

// contains reports whether the address is inside a listed network.
func (l *allowList) contains(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for _, prefix := range l.prefixes {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

func joinHostPort(host, port string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.Unmap().WithZone("").String()
	}
	if port == "" {
		return normalHost(host)
	}
	return net.JoinHostPort(normalHost(host), port)
}

func splitHostPort(address string) (host, port string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, ""
	}
	return host, port
}
