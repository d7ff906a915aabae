package api

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// newHuma makes the API description and puts its handlers on mux. huma's own
// pages are off: its documentation page loads a script from the network.
func newHuma(mux *http.ServeMux, version, cookie string) huma.API {
	config := huma.DefaultConfig("callsyncd", version)
	config.Info.Description = "The local API of a callsyncd archive: search, calls, transcripts, recordings, changes."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema links
	format := huma.Format{Marshal: writeEncoded, Unmarshal: huma.DefaultJSONFormat.Unmarshal}
	config.Formats = map[string]huma.Format{"application/json": format, "json": format} // the second is the +json of problems
	config.Transformers = []huma.Transformer{encodeFirst}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "The token in the file api-token of the data folder."},
		"session": {Type: "apiKey", In: "cookie", Name: cookie, Description: "A browser session, made by callsyncd open. It may read, wake the sync and acknowledge gaps."},
	}
	return humago.New(mux, config)
}

// encodeFirst encodes an answer before its status is sent, so that one that
// cannot be encoded is a clean 500: huma would send the status and then a
// broken body. The panic ends in the recovery of ServeHTTP.
func encodeFirst(_ huma.Context, _ string, v any) (any, error) {
	body, err := encode(v)
	if err != nil {
		panic(err)
	}
	return body, nil
}

// writeEncoded sends what encodeFirst made. A client that went away is no
// reason for huma to panic.
func writeEncoded(w io.Writer, v any) error {
	_, _ = w.Write(v.([]byte))
	return nil
}

// answer is the JSON body of an operation.
type answer[T any] struct{ Body T }

// register adds an operation that answers with JSON.
func register[I, O any](s *server, op huma.Operation, handle func(context.Context, *I) (O, error)) {
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*answer[O], error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		return &answer[O]{out}, nil
	})
}

// registerStream adds an operation that writes its answer itself, once
// nothing can go wrong any more.
func registerStream[I any](s *server, op huma.Operation, handle func(context.Context, *I) (func(http.ResponseWriter, *http.Request), error)) {
	op.Responses["default"] = &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{
		"application/problem+json": {Schema: schemaOf[problem](s.huma)},
	}}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		write, err := handle(ctx, in)
		if err != nil {
			return nil, s.fail(ctx, err)
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			r, w := humago.Unwrap(hctx)
			write(w, r)
		}}, nil
	})
}

// tokenOnly and everybody are the requirements of operations that a session
// is not enough for, and that need neither token nor session.
var (
	tokenOnly = []map[string][]string{{"token": {}}}
	everybody = []map[string][]string{}
)

// schemaOf is a reference to the schema of T.
func schemaOf[T any](api huma.API) *huma.Schema {
	t := reflect.TypeFor[T]()
	return api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// serveOpenAPI freezes the description and serves it. It comes last.
func (s *server) serveOpenAPI() {
	allowNull(s.huma.OpenAPI().Components.Schemas)
	document, err := encode(s.huma.OpenAPI())
	if err != nil {
		panic(err) // made of our own types only; a test reads it
	}
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(document)
	})
}

// allowNull corrects the schemas of pointers to structs: they are null when
// unknown, which huma cannot say of a reference.
func allowNull(schemas huma.Registry) {
	for name, schema := range schemas.Map() {
		t := schemas.TypeFromRef("#/components/schemas/" + name)
		for _, field := range reflect.VisibleFields(t) {
			key, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			p := schema.Properties[key]
			if p == nil || p.Ref == "" || field.Type.Kind() != reflect.Pointer || strings.Contains(options, "omit") {
				continue
			}
			schema.Properties[key] = &huma.Schema{AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
		}
	}
}
