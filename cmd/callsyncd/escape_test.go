package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"callsyncd/api/client"
	"callsyncd/call"
)

func TestSafe(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "Ada Öz, 北京 🙂", "Ada Öz, 北京 🙂"},
		{"escape sequence", "\x1b[31mred\x1b]0;title\x07", `\x1b[31mred\x1b]0;title\x07`},
		{"one line", "a\nb\tc\r\n", `a b c\x0d `},
		{"c1 control", "\u009b31m\u0085", `\x9b31m\x85`},
		{"bidi", "cod\u202egpj.exe\u2066\u200f", `cod\u202egpj.exe\u2066\u200f`},
		{"hidden", "a\u200bb\ufeff\u00ad\U000e0041", `a\u200bb\ufeff\xad\U000e0041`},
		{"line separators", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"joiners stay", "\U0001F469\u200d\U0001F4BB می\u200cخواهم", "\U0001F469\u200d\U0001F4BB می\u200cخواهم"},
		{"not UTF-8", "a\xff\xc3", `a\xff\xc3`},
		{"delete and null", "\x7f\x00", `\x7f\x00`},
	} {
		if got := safe(tt.text); got != tt.want {
			t.Errorf("%s: safe(%q) = %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("a\x1b[2J\u202e\xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := safe(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, harmful) {
			t.Errorf("safe(%q) = %q", text, got)
		}
		if safe(got) != got {
			t.Errorf("safe is not stable for %q", text)
		}
	})
}

func FuzzSafeJSON(f *testing.F) {
	f.Add("\u202e\u0085\U000e0041 \u200d\ufffd")
	f.Fuzz(func(t *testing.T, text string) {
		body, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		got := safeJSON(body)
		if strings.ContainsFunc(string(got), harmfulInJSON) {
			t.Errorf("safeJSON(%q) = %q", body, got)
		}
		var was, is any
		if err := json.Unmarshal(body, &was); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &is); err != nil || !reflect.DeepEqual(was, is) {
			t.Errorf("safeJSON(%q) = %q, another value (%v)", body, got, err)
		}
	})
}

func TestCoverageIsSaid(t *testing.T) {
	page := client.SearchPage{Coverage: call.Coverage{Calls: 12_440, Searchable: 12_428, Waiting: call.CoverageWaiting{Transcript: 9, Index: 1}, TooLong: 2}}
	page.Pagination.Total = 14
	const want = "14 calls; searched 12,428 of 12,440, 9 wait for a transcript, 1 waits for the index, 2 are too long to be searched whole"
	if got := coverage(&page); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestMarked(t *testing.T) {
	quoted := func(word string) string { return "«" + word + "»" }
	for _, tt := range []struct {
		name, text string
		marks      [][2]int
		want       string
	}{
		{"none", "hello", nil, "hello"},
		{"words", "a refund, a refund", [][2]int{{2, 8}, {12, 18}}, "a «refund», a «refund»"},
		{"runes, not bytes", "né Öz ok", [][2]int{{3, 5}}, "né «Öz» ok"},
		{"escaped inside and outside", "\x1ba\x1bb", [][2]int{{1, 3}}, `\x1b«a\x1b»b`},
		{"beyond the text", "abc", [][2]int{{1, 9}, {12, 14}}, "a«bc»"},
		{"overlapping", "abcdef", [][2]int{{1, 4}, {2, 5}}, "a«bcd»«e»f"},
		{"backwards", "abc", [][2]int{{2, 1}}, "abc"},
	} {
		if got := marked(tt.text, tt.marks, quoted); got != tt.want {
			t.Errorf("%s: marked(%q) = %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}
