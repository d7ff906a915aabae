package media

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

func TestSafeID(t *testing.T) {
	tests := []struct{ name, id, want string }{
		{"plain", "call_42.a-b", "call_42.a-b"},
		{"uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
		{"upper case", "CA1f", "CA1f-"},
		{"other upper case", "Ca1f", "Ca1f-"},
		{"path", "../../etc/passwd", "-.-..-etc-passwd-"},
		{"dots", "..", "-.-"},
		{"empty", "", "-e3b0c442"},
		{"backslash and drive", `C:\nul`, "C--nul-"},
		{"trailing space", "a ", "a--"},
		{"controls", "a\r\n\x1b[2J\u202e", "a----2J--"},
		{"invalid utf-8", "a\xff", "a--"},
		{"looks altered", "a-12345678", "a-12345678-"},
		{"long", strings.Repeat("x", 100), strings.Repeat("x", 64) + "-"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := safeID(call.ID(test.id))
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("safeID(%q) = %q, want %q...", test.id, got, test.want)
			}
			if altered := got != test.id; altered && !hashSuffix.MatchString(got) {
				t.Errorf("safeID(%q) = %q has no hash", test.id, got)
			}
		})
	}
}

func TestFileName(t *testing.T) {
	sum := []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd}
	at := time.Date(2025, 1, 1, 1, 30, 5, 999, time.FixedZone("", 2*3600))
	got, err := fileName(call.Key{Source: "crm", ID: "c1"}, at, sum, ".mp3")
	if want := "recordings/crm/2024/12/31/20241231T233005Z_c1_0123456789ab.mp3"; err != nil || got != want {
		t.Errorf("fileName = %q, %v; want %q", got, err, want)
	}
	for _, source := range []call.SourceID{"", "..", "a/b", "CRM", ".tmp", "a_b"} {
		if got, err := fileName(call.Key{Source: source, ID: "c1"}, at, sum, ".mp3"); err == nil {
			t.Errorf("source %q gave %q", source, got)
		}
	}
}

var safeName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,72}$`)

func FuzzSafeID(f *testing.F) {
	for _, pair := range [][2]string{{"abc", "ABC"}, {"", "-"}, {"a/b", "a-b"}, {"a ", "a"}, {"é", "e\u0301"}, {"..", "."}, {"a-12345678", "A"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		nameA, nameB := safeID(call.ID(a)), safeID(call.ID(b))
		if !safeName.MatchString(nameA) {
			t.Fatalf("safeID(%q) = %q", a, nameA)
		}
		if a != b && strings.EqualFold(nameA, nameB) {
			t.Fatalf("%q and %q are both %q", a, b, nameA)
		}
		if own := safeID(call.ID(nameA)); a != nameA && strings.EqualFold(own, nameA) {
			t.Fatalf("%q and %q are both %q", a, nameA, own)
		}
	})
}
