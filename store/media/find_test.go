package media

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"callsyncd/call"
)

// A recording is found again by its name, as it was stored, and only when it is
// what the name says.
func TestFind(t *testing.T) {
	a, dir := openArchive(t, Options{})
	put := func(id call.ID, at time.Time, content []byte) call.Recording {
		t.Helper()
		r, err := a.Put(t.Context(), call.Key{Source: "crm", ID: id}, at, bytes.NewReader(content), unsized)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole := sampleWAV(1000 * 1)
	first := put("call-1", started, whole)
	put("call-12", started, whole)
	put("1", started, whole)
	put("Call-1", started, whole)
	late := put("late", started.AddDate(0, 0, 1), whole)
	second := put("twice", started, sampleWAV(1000*2))
	third := put("twice", started, sampleWAV(1000*3))
	for r, at := range map[*call.Recording]time.Time{&second: started, &third: started.Add(time.Hour)} {
		if err := os.Chtimes(filepath.Join(dir, filepath.FromSlash(*r.File)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	damaged := filepath.Join(dir, filepath.FromSlash(*put("damaged", started, whole).File))
	if err := os.Chmod(damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(damaged, whole[:len(whole)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		id   call.ID
		at   time.Time
		want []string
	}{
		"known start":     {"call-1", started, []string{*first.File}},
		"unknown start":   {"call-1", time.Time{}, []string{*first.File}},
		"the day before":  {"late", started, []string{*late.File}},
		"another month":   {"call-1", started.AddDate(0, 1, 0), nil},
		"two, by age":     {"twice", started, []string{*second.File, *third.File}},
		"damaged":         {"damaged", started, nil},
		"no such call":    {"none", started, nil},
		"unknown to disk": {"none", time.Time{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := a.Find(t.Context(), call.Key{Source: "crm", ID: tc.id}, tc.at)
			var files []string
			for _, f := range found {
				files = append(files, *f.File)
			}
			if err != nil || !slices.Equal(files, tc.want) {
				t.Fatalf("%q, %v", files, err)
			}
			if tc.id == "call-1" && len(found) == 1 {
				got := found[0].Recording
				got.StoredAt = first.StoredAt
				if !reflect.DeepEqual(got, first) || found[0].End != call.EndReached {
					t.Errorf("%+v, end %d", found[0], found[0].End)
				}
			}
		})
	}
	if found, err := a.Find(t.Context(), call.Key{Source: "none", ID: "call-1"}, started); err != nil || len(found) > 0 {
		t.Errorf("of a source without recordings: %v, %v", found, err)
	}
}
