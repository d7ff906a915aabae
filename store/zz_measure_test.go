package store

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestZZMeasure(t *testing.T) {
	dir := os.Getenv("ZZ_DIR")
	if dir == "" {
		t.Skip()
	}
	n := 20000
	fmt.Sscan(os.Getenv("ZZ_N"), &n)
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("ZZ_NOFL") != "" {
		s.db.NoFreelistSync = true
	}
	raw := 0
	var spent time.Duration
	for p := range n / 100 {
		b := benchPage(p, 100)
		for _, w := range b.Writes {
			for _, d := range w.Documents {
				raw += len(d.Body)
			}
		}
		t0 := time.Now()
		if err := s.Save(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		spent += time.Since(t0)
	}
	s.db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			st := b.Stats()
			fmt.Printf("%-12s keys %7d leaf alloc %5.1f MB inuse %5.1f MB\n", name, st.KeyN, float64(st.LeafAlloc)/1e6, float64(st.LeafInuse)/1e6)
			return nil
		})
	})
	info, _ := os.Stat(filepath.Join(dir, fileName))
	var free int
	s.db.View(func(tx *bolt.Tx) error { free = int(tx.Size()); return nil })
	fmt.Printf("raw %.1f MB file %.1f MB (used %.1f) ratio %.2f; %.0f calls/s, %.1f ms/page\n", float64(raw)/1e6, float64(info.Size())/1e6, float64(free)/1e6, float64(info.Size())/float64(raw), float64(n)/spent.Seconds(), spent.Seconds()*1e3/float64(n/100))
	os.Exit(0)
}

func TestZZOpen(t *testing.T) {
	dir := os.Getenv("ZZ_OPEN")
	if dir == "" {
		t.Skip()
	}
	t0 := time.Now()
	o := boltOptions()
	o.NoFreelistSync = os.Getenv("ZZ_NOFL") != ""
	db, err := bolt.Open(filepath.Join(dir, fileName), 0o600, o)
	fmt.Println("open", time.Since(t0), err)
	db.Close()
}
