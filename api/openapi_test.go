package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// document reads /openapi.json as a client would.
func document(t *testing.T, h http.Handler) map[string]any {
	t.Helper()
	w := ask(h, request("GET", "/openapi.json", ""))
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != 200 {
		t.Fatalf("%d %v", w.Code, err)
	}
	return doc
}

// Every documented operation is served, and everything served is documented.
func TestOpenAPIMatchesRoutes(t *testing.T) {
	h := sample(t).handler(nil)
	doc := document(t, h)
	if doc["openapi"] != "3.1.0" {
		t.Errorf("version %v", doc["openapi"])
	}
	var documented []string
	for path, operations := range doc["paths"].(map[string]any) {
		for method := range operations.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(documented)
	want := []string{
		"GET /healthz", "GET /metrics", "GET /readyz", "GET /v1/calls", "GET /v1/calls/{source}/{id}", "GET /v1/calls/{source}/{id}/history",
		"GET /v1/calls/{source}/{id}/recording", "GET /v1/calls/{source}/{id}/transcript", "GET /v1/changes", "GET /v1/gaps", "GET /v1/search",
		"GET /v1/statements", "GET /v1/stats", "GET /v1/status",
		"POST /v1/gaps/ack", "POST /v1/reindex", "POST /v1/session", "POST /v1/session/link", "POST /v1/sync", "POST /v1/verify",
	}
	if !slices.Equal(documented, want) {
		t.Errorf("documented\n%s\nwant\n%s", strings.Join(documented, "\n"), strings.Join(want, "\n"))
	}
	for _, route := range documented {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{source}", "crm", "{id}", "c1").Replace(path)
		_, pattern := h.(*server).mux.Handler(request(method, path, ""))
		if pattern != route {
			t.Errorf("%s is served by %q", route, pattern)
		}
	}
	for _, path := range []string{"/docs", "/openapi.yaml", "/openapi-3.0.json", "/schemas/CallView"} {
		askProblem(t, h, request("GET", path, ""), 404)
	}
}

// The document names every parameter that is accepted, and only those; the
// schemas it refers to exist; no answer carries a $schema link.
func TestOpenAPIParameters(t *testing.T) {
	h := sample(t).handler(nil)
	doc := document(t, h)
	for path, operations := range doc["paths"].(map[string]any) {
		get, _ := operations.(map[string]any)["get"].(map[string]any)
		if get == nil {
			continue
		}
		var names []string
		parameters, _ := get["parameters"].([]any)
		for _, p := range parameters {
			if p := p.(map[string]any); p["in"] == "query" {
				names = append(names, p["name"].(string))
				if p["description"] == "" {
					t.Errorf("%s: %s is not described", path, p["name"])
				}
			}
		}
		target := strings.NewReplacer("{source}", "crm", "{id}", "c1").Replace(path)
		for _, name := range append(names, "no_such_parameter") {
			w := ask(h, request("GET", target+"?"+name+"=", ""))
			unknown := strings.Contains(w.Body.String(), name+" is not a parameter")
			if unknown != (name == "no_such_parameter") {
				t.Errorf("%s?%s: unknown %t", path, name, unknown)
			}
		}
	}
	text := ask(h, request("GET", "/openapi.json", "")).Body.String()
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for _, ref := range strings.Split(text, `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(ref, `"`)
		if schemas[name] == nil {
			t.Errorf("schema %s is missing", name)
		}
	}
	if w := ask(h, request("GET", "/v1/status", "")); strings.Contains(w.Body.String(), "$schema") || w.Header().Get("Link") != "" {
		t.Errorf("schema link in %v %s", w.Header(), w.Body)
	}
}
