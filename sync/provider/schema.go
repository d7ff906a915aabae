package provider

import (
	"encoding/json"
	"reflect"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
)

// Schema returns the JSON schema of the format, for editors and for docs. It
// checks shape; Parse also checks what a schema cannot say.
func Schema() []byte { return schema() }

var schema = sync.OnceValue(func() []byte {
	types := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[span](): {Type: "string", Pattern: `^(second|minute|hour|day|([0-9]+(\.[0-9]+)?(h|m|s|ms))+)$`},
	}
	for _, t := range []reflect.Type{
		reflect.TypeFor[answerExpr](), reflect.TypeFor[callExpr](), reflect.TypeFor[pathExpr](), reflect.TypeFor[volatileExpr](),
	} {
		types[t] = &jsonschema.Schema{Types: []string{"string", "boolean", "number"}}
	}
	for _, t := range []reflect.Type{
		reflect.TypeFor[pagingKind](), reflect.TypeFor[timeFormat](), reflect.TypeFor[orderField](), reflect.TypeFor[orderKind](),
		reflect.TypeFor[absence](), reflect.TypeFor[timeUnit](), reflect.TypeFor[textKind](),
	} {
		types[t] = &jsonschema.Schema{Type: "string", Enum: enum(vocabulary[t.Name()])}
	}
	s, err := jsonschema.For[spec](&jsonschema.ForOptions{TypeSchemas: types})
	if err != nil {
		panic(err) // the types are part of the program
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "callsyncd vendor description"
	s.Properties["format"].Enum = []any{formatVersion}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
})

func enum(words []string) []any {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return list
}
