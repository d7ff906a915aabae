package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"callsyncd/call"
)

// TestTransferredCallsHaveSeveralRecordings: each is unlike the others, is what
// the truth says, and is served for its own link only.
func TestTransferredCallsHaveSeveralRecordings(t *testing.T) {
	b := newBench(t, Options{Seed: 4, Calls: 60, Generation: map[string]string{"solomobile": "new"}})
	sums, counts := map[string]bool{}, map[int]int{}
	for _, truth := range b.Truth("solomobile") {
		list := b.recordings(truth.Call.ID)
		if truth.Parts.Recording != call.Stored {
			if len(list) > 0 || truth.Further != nil {
				t.Errorf("%s: %d recordings of a call without", truth.Call.ID, len(list))
			}
			continue
		}
		counts[len(truth.Further)]++
		if len(list) != 1+len(truth.Further) {
			t.Fatalf("%s: %d recordings listed, truth says %d further", truth.Call.ID, len(list), len(truth.Further))
		}
		for label, one := range list {
			want, known := truth.Further[label]
			if label == "main" {
				want, known = *truth.Call.Recording, true
			}
			rec := b.media(one["url"].(string), nil)
			hash := sha256.Sum256(rec.Body.Bytes())
			sum := hex.EncodeToString(hash[:])
			if !known || rec.Code != http.StatusOK || sum != *want.SHA256 || sums[sum] || one["status"] != "synced" || one["duration_seconds"] != *want.DurationSeconds {
				t.Errorf("%s %s: status %d, %v", truth.Call.ID, label, rec.Code, one)
			}
			sums[sum] = true
		}
		if leg, ok := list["transfer"]; ok {
			_, query, _ := strings.Cut(list["main"]["url"].(string), "?")
			place, _, _ := strings.Cut(leg["url"].(string), "?")
			if rec := b.media(place+"?"+query, nil); rec.Code != http.StatusForbidden {
				t.Errorf("the transfer was served for the link of the main recording: %d", rec.Code)
			}
			if rec := b.media(strings.Replace(leg["url"].(string), legMark+"1", legMark+"3", 1), nil); rec.Code != http.StatusNotFound {
				t.Errorf("a recording that does not exist: %d", rec.Code)
			}
		}
	}
	if counts[0] == 0 || counts[1] == 0 || counts[2] == 0 {
		t.Errorf("calls by further recordings: %v", counts)
	}
}

// TestFurtherRecordingsAreSyncedLater: until then their address answers 401.
func TestFurtherRecordingsAreSyncedLater(t *testing.T) {
	b := newBench(t, Options{Seed: 4, Calls: 10, Generation: map[string]string{"solomobile": "new"}})
	var id call.ID
	for range 200 {
		id = b.AddCall("solomobile")
		if len(b.recordings(id)) > 1 {
			break
		}
	}
	leg := b.recordings(id)["transfer"]
	if leg["status"] != "pending_sync" {
		t.Fatalf("%v", leg)
	}
	if rec := b.media(leg["url"].(string), nil); rec.Code != http.StatusUnauthorized {
		t.Errorf("while it is pending: %d", rec.Code)
	}
	b.clock.advance(legLag)
	if later := b.recordings(id)["transfer"]; later["status"] != "synced" || b.media(later["url"].(string), nil).Code != http.StatusOK {
		t.Errorf("afterwards: %v", later)
	}
	if got := b.get("solomobile", "/get-signed-recording-url", `{"call_id": "`+string(id)+`"}`)["recordings"].([]any); len(got) != len(b.recordings(id)) {
		t.Errorf("%d recordings beside the URL", len(got))
	}
}

// recordings are those a detail lists, by label.
func (b *bench) recordings(id call.ID) map[string]map[string]any {
	list := map[string]map[string]any{}
	for _, one := range b.detail("solomobile", string(id))["recordings"].([]any) {
		row := one.(map[string]any)
		list[row["label"].(string)] = row
	}
	return list
}
