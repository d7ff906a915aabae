package provider

import (
	"maps"
	"slices"
	"strings"

	"callsyncd/call"
)

// words turn a vendor's vocabulary into ours, by folded word.
type words struct {
	direction map[string]call.Direction
	status    map[string]call.Status
	sentiment map[string]string
	speaker   map[string]call.Speaker
}

// usual are the words that mean the same at every vendor.
var usual = words{
	direction: map[string]call.Direction{"inbound": call.Inbound, "outbound": call.Outbound, "web": call.Web},
	status: map[string]call.Status{
		"queued": call.StatusQueued, "initiating": call.StatusQueued, "initiated": call.StatusQueued,
		"ringing": call.StatusRinging, "in_progress": call.StatusInProgress,
		"completed": call.StatusCompleted, "answered": call.StatusCompleted,
		"voicemail": call.StatusVoicemail, "went_to_voicemail": call.StatusVoicemail,
		"no_answer": call.StatusNoAnswer, "busy": call.StatusBusy, "failed": call.StatusFailed,
		"canceled": call.StatusCanceled, "cancelled": call.StatusCanceled,
	},
	sentiment: map[string]string{"positive": "positive", "neutral": "neutral", "negative": "negative"},
	speaker: map[string]call.Speaker{
		"agent": call.SpeakerAgent, "assistant": call.SpeakerAgent, "bot": call.SpeakerAgent, "ai": call.SpeakerAgent,
		"customer": call.SpeakerCustomer, "caller": call.SpeakerCustomer, "user": call.SpeakerCustomer,
		"human": call.SpeakerCustomer, "contact": call.SpeakerCustomer,
	},
}

// fold makes words comparable: "No-Answer", "no answer" and "no_answer" are one.
func fold(word string) string {
	return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(strings.TrimSpace(word)))
}

// checkWords joins a description's own words with the usual ones.
func (d *decoder) checkWords(v values) words {
	return words{
		direction: merge(d, "values.direction", usual.direction, v.Direction, []call.Direction{call.Inbound, call.Outbound, call.Web}),
		status:    merge(d, "values.status", usual.status, v.Status, call.Statuses),
		sentiment: merge(d, "values.sentiment", usual.sentiment, v.Sentiment, []string{"positive", "neutral", "negative"}),
		speaker: merge(d, "values.speaker", usual.speaker, v.Speaker,
			[]call.Speaker{call.SpeakerAgent, call.SpeakerCustomer, call.SpeakerOther}),
	}
}

func merge[T ~string](d *decoder, key string, base map[string]T, own map[string]string, allowed []T) map[string]T {
	all := maps.Clone(base)
	for _, word := range sortedKeys(own) {
		value := T(own[word])
		if value != "" && !slices.Contains(allowed, value) {
			d.wrong(join(key, word), "unknown value %q; want one of %v", value, allowed)
		}
		all[fold(word)] = value
	}
	return all
}

func (w *words) directionOf(word string) call.Direction {
	if v, ok := w.direction[fold(word)]; ok {
		return v
	}
	return call.DirectionUnknown
}

func (w *words) statusOf(word string) call.Status {
	if v, ok := w.status[fold(word)]; ok {
		return v
	}
	return call.StatusOther
}

func (w *words) speakerOf(word string) call.Speaker {
	if v, ok := w.speaker[fold(word)]; ok {
		return v
	}
	return call.SpeakerOther
}
