package simulator

import (
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

const (
	// legMark stands before the number of a further recording.
	legMark = "-leg"
	// pendingFolder is where recordings are that the vendor has not taken over yet.
	pendingFolder = "provider"
	// legLag is how long that takes after the main one has arrived.
	legLag = 4 * time.Minute
)

// legLabels are what the vendor calls further recordings, by number from 1.
var legLabels = [...]string{1: "transfer", 2: "conference"}

// signedName is what a permission to fetch a recording is for.
func (f facts) signedName() string {
	if f.leg > 0 {
		return f.id + legMark + strconv.Itoa(f.leg)
	}
	return f.id
}

// legOf takes the number of a further recording off a name; 0 when there is none.
func legOf(name string) (id string, leg int) {
	id, number, _ := strings.Cut(name, legMark)
	leg, _ = strconv.Atoi(number)
	return id, leg
}

// onLeg are the facts about a further recording.
func (f facts) onLeg(leg int) facts {
	f.leg = leg
	return f
}

// legSeconds is how long a further recording is.
func (w *world) legSeconds(f facts) int {
	return 4 + int(mix(w.seed, "leg", uint64(f.number)*4+uint64(f.leg))%16)
}

// synced reports whether the vendor has a call's further recordings itself.
func (w *world) synced(v view) bool { return !w.sim.now().Before(v.readyAt.Add(legLag)) }

// furtherTruth is what an archive must hold besides the main recording.
func (w *world) furtherTruth(f facts) map[string]call.Recording {
	var all map[string]call.Recording
	for leg := 1; leg <= f.legs; leg++ {
		if all == nil {
			all = map[string]call.Recording{}
		}
		all[legLabels[leg]] = *w.recordingTruth(f.onLeg(leg))
	}
	return all
}

// smRecording is one of the recordings of a call.
type smRecording struct {
	URL             string `json:"url"`
	Label           string `json:"label"`
	DurationSeconds int    `json:"duration_seconds"`
	Source          string `json:"source"`
	Status          string `json:"status"`
}

// smRecordings is what the newer generation adds to an answer with a recording.
type smRecordings struct {
	Recordings []smRecording `json:"recordings"`
}

// soloRecordings lists the recordings of a call, url being that of the main one.
func (w *world) soloRecordings(v view, url string, life time.Duration) smRecordings {
	list := []smRecording{{url, "main", v.duration, "main", "synced"}}
	for leg := 1; leg <= v.legs; leg++ {
		f := v.facts.onLeg(leg)
		one := smRecording{w.bend(w.sim.media() + "/" + w.spec.name + "/" + pendingFolder + "/" + w.fileName(f)), legLabels[leg], w.legSeconds(f), "transfer", "pending_sync"}
		if w.synced(v) {
			one.URL, _ = w.tokenURL(f, life)
			one.Status = "synced"
		}
		list = append(list, one)
	}
	return smRecordings{list}
}
