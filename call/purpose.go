package call

import "context"

// Purpose is why a request is made; it decides who goes first when a request
// budget is short, and what the request is counted as.
type Purpose int

// The purposes, most urgent first.
const (
	PurposeHead Purpose = iota
	PurposeRecording
	PurposePending
	PurposeTrailing
	PurposeLookup
	PurposeSweep
)

type purposeKey struct{}

// WithPurpose says what the requests made under ctx are for.
func WithPurpose(ctx context.Context, p Purpose) context.Context {
	return context.WithValue(ctx, purposeKey{}, p)
}

// PurposeOf returns the purpose of ctx; PurposeHead when none was set.
func PurposeOf(ctx context.Context) Purpose {
	p, _ := ctx.Value(purposeKey{}).(Purpose)
	return p
}
