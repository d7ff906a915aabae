package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"callsyncd/call"
)

// Fingerprint identifies the content of a document without its volatile
// fields: the same content gives the same 32 hexadecimal digits whatever the
// order of its keys. The error wraps call.ErrCorrupt when body is not JSON.
func (p *Provider) Fingerprint(document string, body json.RawMessage) (string, error) {
	parsed, err := parseJSON(body)
	if err != nil {
		return "", fmt.Errorf("fingerprint %s: source %s: %w: %w", document, p.source, call.ErrCorrupt, err)
	}
	ctx := context.Background()
	value := parsed.value
	if st := p.d.steps[document]; st != nil {
		if content, err := p.content(ctx, parsed, st.Unwrap); err == nil && content.raw != nil {
			value = content.value
		}
	}
	return p.fingerprint(ctx, document, value), nil
}

func (p *Provider) fingerprint(ctx context.Context, document string, value any) string {
	for _, e := range p.d.spec.Volatile[document] {
		if less, err := run(ctx, e.code, value); err == nil {
			value = less
		}
	}
	text, err := canonical(value)
	if err != nil {
		panic(err) // decoded JSON always encodes
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
