package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Show prints the effective configuration as YAML that Parse accepts, with
// where each value comes from behind it. Secrets appear as references only.
func Show(c *Config) []byte {
	root := c.node(reflect.ValueOf(c.written), "")
	root.HeadComment = "# " + c.File
	out, err := yaml.Dump(root, yaml.WithLineWidth(-1))
	if err != nil {
		panic(fmt.Sprintf("show configuration: %v", err)) // our own nodes can always be written
	}
	return out
}

// node is the value at key as YAML.
func (c *Config) node(v reflect.Value, key string) *yaml.Node {
	switch v.Kind() {
	case reflect.Struct:
		return c.structNode(v, key)
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		names := v.Interface().(map[string]string)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			n.Content = append(n.Content, text(name), c.node(reflect.ValueOf(names[name]), join(key, name)))
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, c.node(v.Index(i), fmt.Sprintf("%s[%d]", key, i)))
		}
		if v.Len() == 0 {
			n.Style, n.LineComment = yaml.FlowStyle, c.origin(key)
		}
		return n
	}
	n := scalar(v)
	n.LineComment = c.origin(key)
	return n
}

func (c *Config) structNode(v reflect.Value, key string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag.Get("yaml")
		if v.Field(i).IsZero() && strings.HasSuffix(tag, ",omitempty") {
			continue
		}
		name := yamlName(v.Type().Field(i))
		n.Content = append(n.Content, text(name), c.node(v.Field(i), join(key, name)))
	}
	return n
}

// origin says where the value at key comes from.
func (c *Config) origin(key string) string {
	if name, ok := c.fromEnv[key]; ok {
		return "# environment " + name
	}
	for ; key != ""; key = parent(key) {
		if p, ok := c.places[key]; ok {
			return "# line " + strconv.Itoa(p.line)
		}
		if !strings.HasSuffix(key, "]") {
			break // only items take the place of their list
		}
	}
	return "# default"
}

func scalar(v reflect.Value) *yaml.Node {
	switch v.Kind() {
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	}
	return text(v.String())
}

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}
