//go:build unix

package endtoend

import (
	"fmt"
	"slices"
	"testing"

	"callsyncd/simulator"
)

// abuse is one way to attack the daemon from this machine.
type abuse struct {
	number int
	name   string
	run    func(*testing.T, *inbound)
}

// overHTTP is what programs and web pages may send. What a vendor may send
// has the numbers 38 to 52 and is tested elsewhere.
var overHTTP = []abuse{
	{1, "host of somebody else", hosts("evil.example", "evil.example:PORT", "127.0.0.2:PORT")},
	{2, "our address as a label of a foreign host", hosts("127.0.0.1.evil.example:PORT", "127.0.0.1.evil.example")},
	{3, "localhost as a label of a foreign host", hosts("localhost.evil.example", "localhost.evil.example:PORT")},
	{4, "no host", noHost},
	{5, "two hosts", twoHosts},
	{6, "absolute form", absoluteForm},
	{7, "wrong port", hosts("127.0.0.1:1", "127.0.0.1", "localhost", "127.0.0.1:0PORT", "127.0.0.1:PORT0")},
	{8, "other ways to write our address", hosts("[::ffff:127.0.0.1]:PORT", "0.0.0.0:PORT", "2130706433:PORT", "0x7f.1:PORT", "127.1:PORT", "[0:0:0:0:0:0:0:1]:PORT", "[::]:PORT")},
	{9, "other ways to write localhost", otherNames},
	{10, "foreign origin", otherSite("Origin: https://evil.example", "Origin: http://localhost:1", "Origin: https://127.0.0.1:PORT", "Origin: http://127.0.0.1:PORT.evil.example")},
	{11, "null origin", otherSite("Origin: null", "Origin:", "Origin: http://127.0.0.1:PORT\r\nOrigin: null")},
	{12, "fetched by another site", otherSite("Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Sec-Fetch-Site: SAME-ORIGIN", "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site")},
	{13, "form of another site", foreignForm},
	{14, "method override", methodOverride},
	{15, "preflight", preflight},
	{16, "upgrade", upgrade},
	{17, "token", wrongToken},
	{18, "one-time link", usedLink},
	{19, "cookie of another install", foreignCookie},
	{20, "rights of a session", sessionRights},
	{21, "paths", strangePaths},
	{22, "long ids", longIDs},
	{23, "ids with control characters", controlIDs},
	{24, "numbers", strangeNumbers},
	{30, "header of 1 MB", longHeader},
	{31, "bodies", strangeBodies},
	{32, "ranges", strangeRanges},
	{33, "compressed body", compressedBody},
	{34, "framing", strangeFraming},
	{35, "hostile text", hostileTranscripts},
	{36, "hostile recording", hostileRecordings},
	{37, "framing of the page", framedPage},
}

// afterwards is what the daemon must not have written in all that time.
var afterwards = []abuse{{61, "secrets in anything that was written", canariesEverywhere}}

func TestInboundAbuse(t *testing.T) {
	t.Parallel()
	d := newInbound(t, simulator.Options{Seed: 31, Calls: 12})
	for _, a := range overHTTP {
		t.Run(fmt.Sprintf("%d %s", a.number, a.name), func(t *testing.T) {
			d.unharmed(t, func(t *testing.T) { a.run(t, d) })
		})
	}
	for _, a := range afterwards {
		t.Run(fmt.Sprintf("%d %s", a.number, a.name), func(t *testing.T) { a.run(t, d) })
	}
}

// TestInboundAbuseIsComplete holds the tables against the list of attacks.
func TestInboundAbuseIsComplete(t *testing.T) {
	var have []int
	for _, a := range slices.Concat(overHTTP, afterwards, costly, slow, onMachine) {
		have = append(have, a.number)
	}
	var want []int
	for n := 1; n <= 61; n++ {
		if n <= 37 || n >= 53 {
			want = append(want, n)
		}
	}
	if slices.Sort(have); !slices.Equal(have, want) {
		t.Errorf("have %v, want %v", have, want)
	}
}
