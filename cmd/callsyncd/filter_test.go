package main

import "testing"

func TestLength(t *testing.T) {
	for text, want := range map[string]length{"90": 90, "0": 0, "1.5": 1.5, "2m": 120, "1h30m": 5400, "500ms": 0.5} {
		l := length(7)
		if err := l.Set(text); err != nil || l != want {
			t.Errorf("%q: %v, %v; want %v", text, l, err, want)
		}
	}
	for _, text := range []string{"", "-1", "-2m", "NaN", "Inf", "1e99", "2 minutes", "m"} {
		if l := length(7); l.Set(text) == nil || l != 7 {
			t.Errorf("%q was accepted as %v", text, l)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, tt := range [][4]string{
		{"+1", "+2", "from, to", "+1 -> +2"}, {"+1", "", "from", "+1"}, {"", "+2", "to", "+2"}, {"", "", "from", ""},
	} {
		if name, value := numbers(tt[0], tt[1]); name != tt[2] || value != tt[3] {
			t.Errorf("%q, %q: %s %s", tt[0], tt[1], name, value)
		}
	}
}
