package endtoend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/simulator"
)

// fromArchive reads all calls through the API, as every reader does.
func fromArchive(t testing.TB, a *service.Archive) map[call.Key]call.Call {
	t.Helper()
	return fromAPI(t, client.New(inProcess, a.Token(), client.InProcess(a.Handler())))
}

func fromAPI(t testing.TB, c *client.Client) map[call.Key]call.Call {
	t.Helper()
	calls := make(map[call.Key]call.Call)
	o := client.ListOptions{ListQuery: call.ListQuery{Limit: 200}, Show: client.Show{Fields: "full"}}
	err := c.AllCalls(context.Background(), o, func(got client.Call) error {
		calls[got.Key] = got.Call
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// compare holds the archive against everything the simulated vendors know.
func compare(t *testing.T, b *bed, a *service.Archive) {
	t.Helper()
	compareCalls(t, b, fromArchive(t, a))
	compareFurther(t, b, a)
}

// compareFurther holds the recordings besides the main ones against the vendors',
// as they are served.
func compareFurther(t *testing.T, b *bed, a *service.Archive) {
	t.Helper()
	c := client.New(inProcess, a.Token(), client.InProcess(a.Handler()))
	for _, v := range b.sim.Vendors() {
		for _, truth := range b.sim.Truth(v.Name) {
			if truth.Further == nil {
				continue
			}
			key := call.Key{Source: call.SourceID(v.Name), ID: truth.Call.ID}
			got, err := c.Call(t.Context(), key, client.Show{Include: []string{"recordings"}})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Value.Recordings) != 1+len(truth.Further) {
				t.Errorf("%s: %d recordings, want %d further: %s", key, len(got.Value.Recordings), len(truth.Further), toJSON(t, got.Value.Recordings))
			}
			for label, want := range truth.Further {
				if sum := soundSum(t, c, key, label); sum != *want.SHA256 {
					t.Errorf("%s: recording %s is served with hash %s, not %s", key, label, sum, *want.SHA256)
				}
			}
		}
	}
}

// soundSum hashes a recording as it is served.
func soundSum(t *testing.T, c *client.Client, key call.Key, label string) string {
	t.Helper()
	sound, err := c.Recording(t.Context(), key, label, "")
	if err != nil {
		t.Errorf("%s: recording %s: %v", key, label, err)
		return ""
	}
	defer sound.Body.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, sound.Body); err != nil {
		t.Error(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// compareCalls consumes what an archive holds.
func compareCalls(t *testing.T, b *bed, held map[call.Key]call.Call) {
	t.Helper()
	wrong := 0
	for _, v := range b.sim.Vendors() {
		for _, truth := range b.sim.Truth(v.Name) {
			key := call.Key{Source: call.SourceID(v.Name), ID: truth.Call.ID}
			got, ok := held[key]
			delete(held, key)
			if !ok {
				t.Errorf("%s is missing", key)
				continue
			}
			if diff := cmp.Diff(expected(truth), reduced(got)); diff != "" {
				t.Errorf("%s differs (-vendor +archive):\n%s", key, diff)
				if wrong++; wrong > 400 {
					t.FailNow()
				}
			}
		}
	}
	for key := range held {
		t.Errorf("%s is in the archive, no vendor knows it", key)
	}
}

// expected is the part of the truth the archive must match.
func expected(truth simulator.Truth) call.Call {
	c := truth.Call
	c.Parts = truth.Parts
	c.Metadata = nil
	return c
}

// reduced drops what only the archive knows.
func reduced(c call.Call) call.Call {
	c.Key, c.Source, c.Metadata = call.Key{}, "", nil
	c.Version, c.Settled = 0, false
	c.FirstSeenAt, c.ChangedAt = time.Time{}, time.Time{}
	if c.Recording != nil {
		r := *c.Recording
		r.File, r.StoredAt = nil, nil
		c.Recording = &r
	}
	return c
}

// TestFullRoundEqualsTheVendors syncs 300 calls of each vendor and compares
// field by field, turn by turn, hash by hash; then syncs again and finds that
// nothing changed.
func TestFullRoundEqualsTheVendors(t *testing.T) {
	for name, o := range map[string]simulator.Options{
		"older shapes": {Seed: 1, Calls: 300},
		"newer shapes": {Seed: 2, Calls: 120, Generation: map[string]string{"smartalex": "new", "callcamp": "new", "solomobile": "new"}},
		"other orders": {Seed: 3, Calls: 150, Order: map[string]string{"suresend": "oldest_first", "smartalex": "shuffled", "callcamp": "oldest_first"}, PageCap: map[string]int{"smartalex": 20, "callcamp": 10}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if underRace {
				o.Calls /= 4
			}
			b := newBed(t, o)
			a := b.open(t)
			for _, r := range syncAll(t, a, false).Sources {
				if !r.Complete {
					t.Errorf("source %s is not complete: %s", r.Source, toJSON(t, r))
				}
			}
			compare(t, b, a)
			first := fromArchive(t, a)
			for _, r := range syncAll(t, a, false).Sources {
				if r.New+r.Changed+r.Recordings > 0 {
					t.Errorf("the second round changed something: %s", toJSON(t, r))
				}
				if r.Requests > 3 && name == "older shapes" {
					t.Errorf("source %s: an unchanged round cost %d requests", r.Source, r.Requests)
				}
			}
			if diff := cmp.Diff(first, fromArchive(t, a)); diff != "" {
				t.Error(diff)
			}
			b.checkManners(t)
			verify(t, a)
		})
	}
}

// checkManners asserts that nobody sent a vendor what it does not know, and
// that no secret went where it does not belong.
func (b *bed) checkManners(t *testing.T) {
	t.Helper()
	for _, v := range b.sim.Vendors() {
		stats := b.sim.Stats(v.Name)
		if len(stats.Rejected) > 0 || stats.MediaCredentials > 0 {
			t.Errorf("%s: rejected %v, credentials at the media host %d", v.Name, stats.Rejected, stats.MediaCredentials)
		}
		for name, secret := range v.Credentials {
			if strings.Contains(b.logs.String(), secret) {
				t.Errorf("%s: credential %s is in the log", v.Name, name)
			}
		}
	}
}

func verify(t *testing.T, a *service.Archive) {
	t.Helper()
	report, err := a.Verify(context.Background())
	if err != nil || !report.OK {
		t.Errorf("verify: %v %s", err, toJSON(t, report.Problems))
	}
}
