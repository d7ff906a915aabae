package main

import (
	"testing"

	"callsyncd/api/client"
	"callsyncd/call"
)

// A gap is open as it is to status: a part that is asked for again is, although
// its loss was accepted before.
func TestAnyOpen(t *testing.T) {
	accepted := &call.Acknowledgement{Reason: "no copy"}
	for name, tt := range map[string]struct {
		gap  call.Gap
		open bool
	}{
		"pending":                    {call.Gap{State: call.Pending}, true},
		"pending, accepted before":   {call.Gap{State: call.Pending, Acknowledged: accepted}, true},
		"lost":                       {call.Gap{State: call.Lost}, true},
		"lost, and that is accepted": {call.Gap{State: call.Lost, Acknowledged: accepted}, false},
	} {
		open, err := anyOpen(t.Context(), nil, "", &client.Page[call.Gap]{Data: []call.Gap{tt.gap}}, false)
		if err != nil || open != tt.open {
			t.Errorf("%s: open %v, %v", name, open, err)
		}
	}
}
