package simulator

import (
	"encoding/json"
	"strconv"
)

// drift changes the shape of the calls in an answer, the way a vendor does that
// renames a field or a type: the same fields of every call, chosen by the seed.
func (w *world) drift(body any, kind string, f Faults) any {
	if kind != kindList && kind != kindDetail {
		return body
	}
	var tree any
	if err := json.Unmarshal(encode(body), &tree); err != nil {
		panic("simulator: " + err.Error()) // it was just encoded
	}
	w.bendCalls(tree, kind == kindDetail, f)
	return tree
}

// bendCalls finds the calls in an answer: the rows of its lists, or, alone, the
// object itself or what its envelope holds.
func (w *world) bendCalls(tree any, alone bool, f Faults) {
	object, ok := tree.(map[string]any)
	if !ok {
		return
	}
	for _, value := range object {
		switch value := value.(type) {
		case []any:
			for _, row := range value {
				if row, ok := row.(map[string]any); ok && !alone {
					w.bendCall(row, f)
				}
			}
		case map[string]any:
			if alone && len(object) <= 2 { // an envelope
				w.bendCall(value, f)
				return
			}
		}
	}
	if alone {
		w.bendCall(object, f)
	}
}

// bendCall drops fields of one call and changes the types of others.
func (w *world) bendCall(row map[string]any, f Faults) {
	for name, value := range row {
		switch {
		case chance(w.seed, "vanish "+name, 0) < f.FieldsVanish:
			delete(row, name)
			w.counts.fault("FieldsVanish")
		case chance(w.seed, "type "+name, 0) < f.TypesChange:
			row[name] = otherType(value)
			w.counts.fault("TypesChange")
		}
	}
}

// otherType says the same in another JSON type.
func otherType(value any) any {
	switch value := value.(type) {
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(value)
	case nil:
		return ""
	}
	return map[string]any{"value": value}
}
