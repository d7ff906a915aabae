package callsync

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"

	"callsyncd/call"
	"callsyncd/store"
)

// TestMain uses the store once before any bubble: its shared compressor makes
// channels on first use, and those of one bubble must not be used in another.
func TestMain(m *testing.M) {
	if err := warmUp(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func warmUp() error {
	dir, err := os.MkdirTemp("", "callsync")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	st, err := store.Open(dir, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	ctx, key := context.Background(), call.Key{Source: "crm", ID: "1"}
	record := call.Record{Call: call.Call{Key: key, Source: "crm", ID: "1", Transcript: []call.Turn{{Text: "a"}}, Metadata: json.RawMessage(`{}`)}}
	docs := call.Documents{call.DocumentList: {Body: json.RawMessage(`{}`)}}
	if err := st.Save(ctx, call.Batch{Source: "crm", Writes: []call.Write{{Record: record, Documents: docs, Kind: call.ChangeNew}}}); err != nil {
		return err
	}
	if _, err := st.Load(ctx, key); err != nil {
		return err
	}
	_, err = st.Documents(ctx, key)
	return err
}
