package provider

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"callsyncd/call"
)

// leastSecret is the length, in bytes, from which on a credential is looked for
// in what a vendor says: shorter ones may be there by chance.
const leastSecret = 8

// writings are the ways a credential may come back: as it is, as JSON writes it
// and as URLs do; longest first.
func writings(secrets []string) []string {
	var all []string
	for _, secret := range secrets {
		quoted, _ := json.Marshal(secret) // a string always marshals
		inJSON := strings.Trim(string(quoted), `"`)
		all = append(all, secret, inJSON, strings.ReplaceAll(inJSON, "/", `\/`), url.QueryEscape(secret), url.PathEscape(secret))
	}
	return longestFirst(all)
}

// longestFirst sorts texts so that one within another comes after it, each once.
func longestFirst(all []string) []string {
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(all)
}

// withoutSecrets takes our own secrets out of an answer before anybody reads
// it, so that a vendor that repeats them cannot have them stored. Ids and what
// might be a plain number stay: they belong to the vendor's data.
func (p *Provider) withoutSecrets(body []byte) []byte {
	for _, secret := range p.auth.Load().hidden {
		if bytes.Contains(body, []byte(secret)) {
			body = bytes.ReplaceAll(body, []byte(secret), []byte(call.Secret("").String()))
		}
	}
	return body
}

// secretsOf lists the credentials in all their writings: those to hide in our
// own words, and those to take out of a vendor's answers.
func secretsOf(d *Description, given map[string]call.Secret) (ours, hidden []string) {
	var all, kept []string
	for _, name := range sortedKeys(given) {
		secret := given[name].Reveal()
		if secret == "" {
			continue
		}
		all = append(all, secret)
		if !d.spec.Credentials[name].Public && len(secret) >= leastSecret && strings.Trim(secret, "0123456789.") != "" {
			kept = append(kept, secret)
		}
	}
	return writings(all), writings(kept)
}
