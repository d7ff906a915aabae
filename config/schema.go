package config

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema returns the JSON schema of the file, for editors.
func Schema() []byte {
	s, err := jsonschema.For[file](nil)
	if err != nil {
		panic(fmt.Sprintf("schema of the configuration: %v", err)) // depends on our types only
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "callsyncd configuration"
	fillDefaults(s, defaults())
	narrow(s)
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("schema of the configuration: %v", err))
	}
	return append(out, '\n')
}

// fillDefaults adds what is assumed when an optional key is left out.
func fillDefaults(s *jsonschema.Schema, f any) {
	data, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("defaults of the configuration: %v", err))
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		panic(fmt.Sprintf("defaults of the configuration: %v", err))
	}
	for name, value := range values {
		p := s.Properties[name]
		switch {
		case slices.Contains(s.Required, name):
		case p.Properties != nil:
			fillDefaults(p, value)
		default:
			p.Default = value
		}
	}
}

// narrow adds the rules that Go types cannot express.
func narrow(s *jsonschema.Schema) {
	at := func(path ...string) *jsonschema.Schema {
		p := s
		for _, name := range path {
			if name == "[]" {
				p = list(p)
			} else {
				p = p.Properties[name]
			}
		}
		return p
	}
	source := func(path ...string) *jsonschema.Schema { return at(append([]string{"sources", "[]"}, path...)...) }

	list(at("sources"))
	at("sources").MinItems = new(1)
	fillDefaults(source(), defaultSource())
	source("name").Pattern = sourceNamePattern
	source("base_url").Format = "uri"
	source("credentials").PropertyNames = &jsonschema.Schema{Pattern: credentialNamePattern}
	source("credentials").AdditionalProperties.Pattern = refPattern
	between(source("concurrency"), 1, maxInFlight)
	between(source("budgets", "[]", "requests"), 1, maxRequests)
	list(source("allow_private_hosts"))
	between(at("recordings", "parallel"), 1, maxInFlight)
	for _, l := range Languages {
		at("search", "languages", "[]").Enum = append(at("search", "languages", "[]").Enum, l)
	}
	at("search", "languages").MinItems = new(1)
	at("api", "allow_remote").Enum = []any{false}
	at("redaction", "card_numbers").Enum = []any{true}
	at("heartbeat_url").Enum = []any{""}
	list(at("retention"))
	at("retention").MaxItems = new(0)
}

// list makes s a list that must not be null and returns the schema of its items.
func list(s *jsonschema.Schema) *jsonschema.Schema {
	s.Type, s.Types = "array", nil
	return s.Items
}

func between(s *jsonschema.Schema, least, most float64) {
	s.Minimum, s.Maximum = &least, &most
}
