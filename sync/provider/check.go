package provider

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"callsyncd/call"
)

var (
	nameForm     = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	documentForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	headerForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
	insertForm   = regexp.MustCompile(`\{([^{}]*)\}`)
)

// reserved names cannot be steps: they mean something else where steps are named.
var reserved = []string{call.DocumentList, "item", "lookup"}

// finish checks what types alone cannot say, compiles the expressions and
// prepares what the interpreter looks up often.
func (d *Description) finish(dec *decoder) {
	s := &d.spec
	dec.checkHead(s)
	dec.checkList(s)
	d.documents, d.steps = []string{call.DocumentList}, map[string]*step{}
	for i, st := range s.Steps {
		if st != nil {
			dec.checkStep(d, st, fmt.Sprintf("steps[%d]", i))
		}
	}
	dec.checkReferences(d)
	for _, name := range sortedKeys(s.Lookups) {
		dec.checkLookup(s.Lookups[name], "lookups."+name)
	}
	dec.checkSources(d)
	d.words = dec.checkWords(s.Values)
	dec.compileAll(d.variables())
}

// variables are the names call expressions may use, in the order of their values.
func (d *Description) variables() []string {
	names := []string{"$lookup"}
	for _, document := range d.documents {
		names = append(names, "$"+document)
	}
	return names
}

func (d *decoder) checkHead(s *spec) {
	if s.Format != "" && s.Format != formatVersion {
		d.wrong("format", "unknown format %q; this program reads %s", s.Format, formatVersion)
	}
	if s.Name != "" && !nameForm.MatchString(s.Name) {
		d.wrong("name", "want lower-case letters, digits and hyphens, at most 32")
	}
	if s.BaseURL != "" {
		if _, err := parseBase(s.BaseURL); err != nil {
			d.wrong("base_url", "%v", err)
		}
	}
	for _, name := range sortedKeys(s.Credentials) {
		if !documentForm.MatchString(name) {
			d.wrong("credentials."+name, "want lower-case letters, digits and underscores")
		}
	}
	for _, name := range sortedKeys(s.Headers) {
		if !headerForm.MatchString(name) || strings.ContainsAny(s.Headers[name], "\r\n") {
			d.wrong("headers."+name, "is not a header")
		}
		for _, insert := range insertForm.FindAllStringSubmatch(s.Headers[name], -1) {
			if _, known := s.Credentials[insert[1]]; !known {
				d.wrong("headers."+name, "{%s} is not a credential", insert[1])
			}
		}
	}
	for i, b := range s.Budgets {
		if b.Requests < 1 {
			d.wrong(fmt.Sprintf("budgets[%d].requests", i), "want at least 1")
		}
	}
}

// parseBase checks the address an API begins at.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, fmt.Errorf("want an address such as https://api.example.com/v1")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("must not hold a user name, a query or a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("must be https; plain http is for loopback addresses only")
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// origin is the scheme, host and port of an address, spelled out.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

func (d *decoder) checkRequest(r *request, key string, withID bool) {
	if r.Method != "" && r.Method != "GET" && r.Method != "POST" {
		d.wrong(join(key, "method"), "want GET or POST")
	}
	if r.Body != nil && r.Method != "POST" {
		d.wrong(join(key, "body"), "only a POST has a body")
	}
	if r.Path != "" && (!strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, "?# ")) {
		d.wrong(join(key, "path"), "want a path such as /calls, without query")
	}
	rest := strings.ReplaceAll(r.Path, "{id}", "")
	if strings.ContainsAny(rest, "{}") || !withID && rest != r.Path {
		d.wrong(join(key, "path"), "holds an unknown {name}; only {id} is known, and only where one call is read")
	}
	if withID && r.Path != "" && rest == r.Path && !mentionsID(r.Body) {
		d.wrong(join(key, "path"), "must say which call: put {id} into path or body")
	}
}

// mentionsID reports whether {id} occurs in a value of a request body.
func mentionsID(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "{id}")
	case map[string]any:
		for _, element := range v {
			if mentionsID(element) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, mentionsID)
	}
	return false
}

func (d *decoder) checkList(s *spec) {
	d.checkRequest(&s.List.request, "list", false)
	d.checkPaging(s.List.Paging, "list.paging")
	if w := s.List.Window; w != nil && w.From == "" && w.To == "" {
		d.wrong("list.window", "want from, to or both")
	}
	if o := s.List.Order; o != nil {
		if o.By == "updated_at" && s.List.UpdatedAt == nil || o.By == "created_at" && s.List.CreatedAt == nil {
			d.wrong("list.order.by", "needs list.%s", o.By)
		}
	}
	if s.Item != nil {
		d.checkRequest(s.Item, "item", true)
	}
}

func (d *decoder) checkPaging(p *paging, key string) {
	if p == nil {
		return
	}
	follows := p.Kind == pagingKind(call.PagingCursor) || p.Kind == pagingKind(call.PagingURL)
	if p.Kind != pagingKind(call.PagingURL) && p.Position == "" {
		d.wrong(join(key, "position"), "is missing")
	}
	if follows && p.Next == nil {
		d.wrong(join(key, "next"), "is missing")
	}
	if p.First != nil && (p.Kind != pagingKind(call.PagingPage) || *p.First < 0) {
		d.wrong(join(key, "first"), "want 0 or more, with kind page")
	}
	if p.Rows < 1 && d.places[join(key, "rows")] != nil {
		d.wrong(join(key, "rows"), "want at least 1")
	}
	if p.MinRows < 0 || p.MinRows > p.Rows {
		d.wrong(join(key, "min_rows"), "want 1 to rows")
	}
}

func (d *decoder) checkStep(desc *Description, st *step, key string) {
	d.checkRequest(&st.request, key, true)
	switch {
	case st.Name == "":
	case !documentForm.MatchString(st.Name) || slices.Contains(reserved, st.Name):
		d.wrong(key+".name", "want lower-case letters, digits and underscores, not one of %s", strings.Join(reserved, ", "))
	case desc.steps[st.Name] != nil:
		d.wrong(key+".name", "is given twice")
	default:
		desc.steps[st.Name] = st
		desc.documents = append(desc.documents, st.Name)
	}
	for i, m := range st.Missing {
		if m.Status != 404 && m.Status != 410 {
			d.wrong(fmt.Sprintf("%s.missing[%d].status", key, i), "want 404 or 410")
		}
	}
	if c := st.Check; c != nil {
		if c.First < 1 || c.Every < 1 {
			d.wrong(key+".check.first", "want first and every of at least 1")
		}
		if c.Against == st.Name || !slices.Contains(desc.documents, c.Against) {
			d.wrong(key+".check.against", "want list or an earlier step")
		}
	}
}

// checkReferences checks every place that names a step.
func (d *decoder) checkReferences(desc *Description) {
	s := &desc.spec
	lists := map[string][]string{
		"renew.transcript": s.Renew.Transcript, "renew.summary": s.Renew.Summary, "renew.recording": s.Renew.Recording, "relink": s.Relink,
	}
	for _, key := range sortedKeys(lists) {
		for i, name := range lists[key] {
			if desc.steps[name] == nil && (key != "relink" || name != "item" || s.Item == nil) {
				d.wrong(fmt.Sprintf("%s[%d]", key, i), "there is no step %q", name)
			}
		}
	}
	for _, document := range sortedKeys(s.Volatile) {
		if !slices.Contains(desc.documents, document) {
			d.wrong("volatile."+document, "there is no document %q", document)
		}
	}
}

func (d *decoder) checkLookup(l *lookup, key string) {
	if l == nil {
		return
	}
	d.checkRequest(&l.request, key, false)
	d.checkPaging(l.Paging, key+".paging")
}

func (d *decoder) checkSources(desc *Description) {
	known := func(document, key string) {
		if document != "" && !slices.Contains(desc.documents, document) {
			d.wrong(key, "there is no document %q", document)
		}
	}
	for i := range desc.spec.Transcript.Sources {
		s := &desc.spec.Transcript.Sources[i]
		s.Text.labels = newLabels(&s.Text)
		key := fmt.Sprintf("transcript.sources[%d]", i)
		known(s.Document, key+".document")
		needs := slices.Contains(s.Text.Forms, textLines) || slices.Contains(s.Text.Forms, textParagraphs)
		if needs && len(s.Text.Labels) == 0 {
			d.wrong(key+".text", "lines and paragraphs need labels")
		}
	}
	for i, s := range desc.spec.Recording.Sources {
		known(s.Document, fmt.Sprintf("recording.sources[%d].document", i))
	}
}
