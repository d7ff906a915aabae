package callsync

import (
	"testing"
	"time"

	"callsyncd/call"
)

// silentVendor does not say whether a call has a transcript until it shows one.
type silentVendor struct{ *faultyVendor }

func (v *silentVendor) Map(docs call.Documents) (call.Mapped, error) {
	m, err := v.faultyVendor.Map(docs)
	if m.Transcript.Evidence == call.EvidencePromised {
		m.Transcript = call.PartEvidence{Evidence: call.EvidenceUnknown}
	}
	return m, err
}

// An answer that nobody can read to the end is no proof that there is nothing;
// an answer that the vendor knows nothing is.
func TestUnreadableDocumentIsNoProofOfAbsence(t *testing.T) {
	for failure, want := range map[error]call.Part{
		call.ErrCorrupt:  {State: call.Lost, Reason: "corrupt"},
		call.ErrNotFound: {State: call.None, Reason: "horizon"},
	} {
		t.Run(want.Reason, func(t *testing.T) {
			inBubble(t, 3, func(b *testbed) {
				t := b.t
				v := b.faulty()
				b.source.Provider = &silentVendor{v}
				b.restart()
				for _, c := range b.vendor.calls {
					c.Promised, c.Transcript = true, "text"
				}
				v.failFetch = func(id call.ID) error {
					if id == "c002" {
						return failure
					}
					return nil
				}
				b.round(false)
				b.runFor(100 * time.Hour)
				if p := b.load("c002").Parts.Transcript; p.State != want.State || p.Reason != want.Reason {
					t.Errorf("%+v, want %+v", p, want)
				}
				v.edit(func() { v.failFetch, b.vendor.calls[1].Rev = nil, 2 })
				b.mustRound(true)
				if p := b.load("c002").Parts.Transcript; p.State != call.Stored {
					t.Errorf("once it can be read: %+v", p)
				}
			})
		})
	}
}
