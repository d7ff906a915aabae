package main

import (
	"slices"

	"callsyncd/api/client"
	"callsyncd/call"
)

// reasonWords say what went wrong by the reason of an open part, and what is
// done about it.
var reasonWords = map[string]string{
	"not_ready":           "the vendor does not show it yet; it is asked for again",
	"in_progress":         "the call goes on; it is asked for when it is over",
	"http_404":            "the vendor said that there is one and does not give it; it is asked for again",
	"expired":             "the address of the recording was dead when it was used; the next try gets a fresh one",
	"not_audio":           "what came was no sound, such as an error page; it was not stored, the next try gets a fresh address",
	"truncated":           "the recording was not as long as announced; half of one is not stored, the next try goes on or begins anew",
	"empty":               "what came was empty; the next try gets a fresh address",
	"host_busy":           "the host of the recordings asked to be left alone for a while; it is",
	"host_unreachable":    "the host of the recordings did not answer; it is asked again",
	"bad_url":             "the vendor gave an address that cannot be one of a recording; it was not used, the vendor is asked for another",
	"checksum":            "what came contradicts the checksum its host announced; it was not stored, the next try gets a fresh address",
	"queued":              "its address is known, and it is fetched as soon as its turn comes",
	"too_large":           "it is larger than a recording may be; it was not stored, it is asked for again until the late horizon",
	"returned":            "what was lost can be had again, as the vendor shows it anew; it is fetched",
	"incomplete":          "more is known of this vendor by now than when it was read; it is read again",
	"gone":                "the vendor says that it does not exist any more; it is asked for again, as that may be wrong",
	"corrupt":             "the vendor's answer was of no use, such as no JSON or one about another call; it was not stored, it is asked for again",
	"error":               "the vendor failed to answer; it is asked for again",
	"refused":             "the address leads where nothing may be fetched from, or to something too large; it was not stored",
	"credentials_refused": "the vendor refuses the credentials; nothing counts as lost for that",
	"changed_upstream":    "the vendor has another recording by now; it is fetched, the one that is here stays until then",
	"forbidden":           "the vendor forbids this and answers the rest; it is asked for again",
	"budget":              "the vendor's request limit is used up; it is asked for when requests are free again",
	"damaged":             "what was stored cannot be read any more and is kept aside; the vendor is asked for it again",
	"fields_missing":      "the vendor's answer lacked what it usually has; it is asked for again",
	"end_unproved":        "what came is kept, seems to lack its end, and the host did not say whether it was all; it is fetched again until the late horizon",
	"no_space":            "the disk is full; nothing counts as lost for that, it is fetched when there is room",
}

// storedWords say what is odd about a part that is here.
var storedWords = map[string]string{
	"replacement_not_had":      "the vendor replaced the recording, and what it has now was not to be had; the one before stays",
	"worse_version_kept_aside": "what the vendor had later is worse, such as empty or much shorter; it is kept aside, the one before stays",
	"length_differs":           "the recording is not as long as it should be; it may be all there is",
}

// explainStored explains what is odd about the stored parts of a call.
func (a *app) explainStored(c *client.Call) {
	for _, name := range call.PartNames {
		p := c.Details[name]
		if words := storedWords[or(p.Reason, "")]; words != "" && p.State == call.Stored {
			a.say("%s, %s: %s", name, *p.Reason, words)
		}
	}
}

// explainReasons explains the reasons among gaps.
func (a *app) explainReasons(gaps []call.Gap) {
	var told []string
	for i := range gaps {
		reason := or(gaps[i].Reason, "")
		if words := reasonWords[reason]; words != "" && gaps[i].State == call.Pending && !slices.Contains(told, reason) {
			a.say("%s: %s", reason, words)
			told = append(told, reason)
		}
	}
}
