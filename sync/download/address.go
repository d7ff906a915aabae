package download

import "net/netip"

// notPublic are the IANA special-purpose IPv4 blocks (registry of RFC 6890,
// globally reachable ones for infrastructure included), multicast and
// reserved space, and the address Azure answers virtual machines on. IPv6 is
// turned round: see globalUnicast.
var notPublic = prefixes(
	"0.0.0.0/8",         // this network
	"10.0.0.0/8",        // private use
	"100.64.0.0/10",     // shared address space; cloud metadata at 100.100.100.200
	"127.0.0.0/8",       // loopback
	"168.63.129.16/32",  // Azure virtual machine agent
	"169.254.0.0/16",    // link local; cloud metadata at 169.254.169.254
	"172.16.0.0/12",     // private use
	"192.0.0.0/24",      // IETF protocol assignments; cloud metadata at 192.0.0.192
	"192.0.2.0/24",      // documentation
	"192.31.196.0/24",   // AS112
	"192.52.193.0/24",   // automatic multicast tunneling
	"192.88.99.0/24",    // former 6to4 relays
	"192.168.0.0/16",    // private use
	"192.175.48.0/24",   // AS112
	"198.18.0.0/15",     // benchmarking
	"198.51.100.0/24",   // documentation
	"203.0.113.0/24",    // documentation
	"224.0.0.0/4",       // multicast
	"240.0.0.0/4",       // reserved, limited broadcast
	"2001::/23",         // IETF protocol assignments: Teredo, ORCHID, AMT ...
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4: carries any IPv4 address
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
)

// globalUnicast is all of IPv6 that is handed out for public use; outside are
// loopback, mapped and translated IPv4 (::ffff:0:0/96, 64:ff9b::/96,
// 64:ff9b:1::/48), discard (100::/64), segment routing (5f00::/16), unique
// local (fc00::/7), link local (fe80::/10), site local (fec0::/10), multicast.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// isPublic reports whether an address belongs to the public internet.
func isPublic(address netip.Addr) bool {
	address = address.Unmap()
	if !address.IsValid() || address.Zone() != "" || address.Is6() && !globalUnicast.Contains(address) {
		return false
	}
	for _, prefix := range notPublic {
		if prefix.Contains(address) {
			return false
		}
	}
	return true
}
