package provider

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"callsyncd/call"
)

const (
	// mainLabel is what vendors call the recording that is not a further one.
	mainLabel = "main"
	// mostRecordings bounds the recordings of one call that are believed.
	mostRecordings = 100
	// longestLabel bounds a label, in bytes.
	longestLabel = 40
)

// listedRecording is an element of a source's list of recordings.
type listedRecording struct {
	label   string
	address string
	element any
}

// several reads the list of a call's recordings, and which of them is the main
// one: the one labelled so, else the one at the main address, else the first
// when there is no main address; -1 when that is none of them.
func (p *Provider) several(ctx context.Context, v *view, s *linkSource, document any, address string) (list []listedRecording, main int) {
	if s.Several == nil {
		return nil, -1
	}
	value := p.fieldOf(ctx, v, s.Several.Items, document)
	elements, isArray := value.([]any)
	if !isArray && value != nil || len(elements) > mostRecordings {
		p.oddData(ctx, s.Several.Items.key)
		elements = elements[:min(len(elements), mostRecordings)]
	}
	for _, element := range elements {
		if _, isObject := element.(map[string]any); !isObject {
			p.oddData(ctx, s.Several.Items.key)
			continue
		}
		label, _ := p.fieldOf(ctx, v, s.Several.Label, element).(string)
		at, _ := p.fieldOf(ctx, v, s.Several.URL, element).(string)
		if at = strings.TrimSpace(at); at == "" && strings.TrimSpace(label) == "" {
			continue // nothing is said about it
		}
		list = append(list, listedRecording{labelOf(label), at, element})
	}
	main = mainOf(list, address)
	distinguish(list, main)
	return list, main
}

func mainOf(list []listedRecording, address string) int {
	if i := slices.IndexFunc(list, func(l listedRecording) bool { return l.label == mainLabel }); i >= 0 {
		return i
	}
	if address == "" && len(list) > 0 {
		return 0
	}
	return slices.IndexFunc(list, func(l listedRecording) bool { return samePlace(l.address, address) })
}

// samePlace compares URLs without their query, where signatures are.
func samePlace(a, b string) bool {
	x, err1 := url.Parse(a)
	y, err2 := url.Parse(b)
	return err1 == nil && err2 == nil && x.Host == y.Host && x.Path == y.Path && x.Path != ""
}

// labelOf makes a word of ours from what the vendor calls a recording.
func labelOf(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_')
	})
	label := strings.Join(words, "-")
	return strings.TrimRight(label[:min(len(label), longestLabel-4)], "-")
}

// distinguish numbers the labels that several have, and names those without.
// That of the main one is not for the others.
func distinguish(list []listedRecording, main int) {
	taken := map[string]bool{mainLabel: true}
	for i := range list {
		if i == main {
			continue
		}
		label := list[i].label
		if label == "" {
			label = "recording"
		}
		for n, stem := 2, label; taken[label]; n++ {
			label = fmt.Sprintf("%s-%d", stem, n)
		}
		taken[label], list[i].label = true, label
	}
}

// further are the links of all recordings but the main one, and the evidence
// that each of them exists.
func (p *Provider) further(ctx context.Context, v *view, s *linkSource, list []listedRecording, main int) (links map[string]call.RecordingLink, says []call.FurtherEvidence) {
	for i := range list {
		if i == main {
			continue
		}
		evidence := call.PartEvidence{Evidence: call.EvidencePromised, Reason: "not_ready"}
		u := usable(list[i].address)
		switch {
		case u != nil:
			link := p.listedLink(ctx, v, s, &list[i], u)
			if links == nil {
				links = make(map[string]call.RecordingLink)
			}
			links[list[i].label] = link
			evidence = call.PartEvidence{Evidence: call.EvidencePresent}
		case list[i].address != "":
			evidence.Reason = "bad_url"
		}
		says = append(says, call.FurtherEvidence{Label: list[i].label, PartEvidence: evidence})
	}
	return links, says
}

// listedLink is the link of an element of the list.
func (p *Provider) listedLink(ctx context.Context, v *view, s *linkSource, l *listedRecording, u *url.URL) call.RecordingLink {
	link := call.RecordingLink{URL: call.SignedURL(l.address), FetchedAt: v.docs[s.Document].FetchedAt}
	p.expiry(ctx, v, life{s.Several.ExpiresAt, s.Several.ExpiresIn, s.Lifetime}, l.element, u, &link)
	p.describe(ctx, v, s, l, &link)
	return link
}

// describe adds what the list says about a recording.
func (p *Provider) describe(ctx context.Context, v *view, s *linkSource, l *listedRecording, link *call.RecordingLink) {
	seconds, ok := lengthOf(p.fieldOf(ctx, v, s.Several.Seconds, l.element))
	if !ok {
		p.oddData(ctx, s.Several.Seconds.key)
	}
	link.Seconds, link.Unsettled = seconds, truthy(p.fieldOf(ctx, v, s.Several.Unsettled, l.element))
}

// usable is the URL of a recording; nil when it is none.
func usable(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil
	}
	return u
}
