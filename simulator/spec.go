package simulator

import (
	"net/http"
	"time"

	"callsyncd/call"
)

// spec is what differs between the vendors.
type spec struct {
	name   string
	prefix string // the path of the base URL
	newer  bool   // the newer documented generation
	// id makes identifiers of the vendor's form; what is "call", "contact",
	// "agent" or "campaign".
	id          func(seed uint64, what string, n uint64) string
	credentials map[string]string // names and prefixes of the values
	authorized  func(w *world, r *http.Request) bool
	refused     string // the text of a 401
	failure     func(status int, code, message string) any
	limits      func(r *http.Request) []limit
	routes      []route
	truth       func(w *world, v view) call.Call
	words       words
	// size is the page size unless asked for, and the documented maximum;
	// clamp says that more is lowered to it instead of refused.
	size, maximum int
	clamp         bool
	audio         string // mp3 or wav
	precision     time.Duration
	setup         bool // whether a call is answered some seconds after its creation
	web           bool // whether there are web calls
	legs          bool // whether calls that were transferred have further recordings
	// alwaysCampaign puts inbound calls in a campaign too.
	alwaysCampaign bool
}

// words are a vendor's words for how a call stands or went.
type words struct {
	ringing, talking string
	of               [odd + 1]string
}

// route is one documented request.
type route struct {
	method string
	path   string // below the prefix; {id} stands for one segment
	kind   string // for Stats
	params []string
	serve  func(q *request) (any, *refusal)
}

// The kinds of requests in Stats.
const (
	kindList       = "list"
	kindDetail     = "detail"
	kindTranscript = "transcript"
	kindRecording  = "recording"
	kindLookup     = "lookup"
	kindOther      = "other"
)

// specs returns the five vendors.
func specs(generation map[string]string) []*spec {
	newer := func(name string) bool { return generation[name] == "new" }
	return []*spec{
		sureSend(),
		smartAlex(newer("smartalex")),
		soloMobile(newer("solomobile")),
		callCamp(newer("callcamp")),
		agentVoice(),
	}
}

// credentials are the values a client must send.
func (w *world) credentials() map[string]string {
	list := map[string]string{}
	for name, prefix := range w.spec.credentials {
		list[name] = prefix + "canary-" + uuid(w.seed, "credential "+name, 0)
	}
	return list
}

// bearer checks a token in the Authorization header.
func bearer(w *world, r *http.Request) bool {
	values := r.Header.Values("Authorization")
	return len(values) == 1 && values[0] == "Bearer "+w.credentials()["token"]
}

// uuids makes identifiers that are UUIDs.
func uuids(seed uint64, what string, n uint64) string { return uuid(seed, what, n) }

// prefixed makes identifiers such as call_5f0c...; names replaces the prefix of a kind.
func prefixed(names map[string]string) func(seed uint64, what string, n uint64) string {
	return func(seed uint64, what string, n uint64) string {
		if name, ok := names[what]; ok {
			what = name
		}
		id := uuid(seed, what, n)
		return what + "_" + id[:8] + id[9:13] + id[15:18]
	}
}
