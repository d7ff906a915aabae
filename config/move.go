package config

import (
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"

	"callsyncd/call"
)

// Place is where a source is found instead of at its vendor.
type Place struct {
	BaseURL           string
	Credentials       map[string]Ref
	AllowPrivateHosts []string
}

// Move writes the configuration as YAML that Load accepts, with another data
// folder, a free port for the API, disk space to keep free (such as 5GiB; empty
// for what is configured), and other places for the sources. Sources without a
// place are left out. No secret is read.
func (c *Config) Move(dataDir, minFree string, places map[call.SourceID]Place) []byte {
	moved := Config{written: c.written}
	f := &moved.written
	f.DataDir, f.API, f.Sources = dataDir, apiFile{Listen: "127.0.0.1:0"}, nil
	if minFree != "" {
		f.Recordings.MinFree = minFree
	}
	for i, written := range c.written.Sources {
		place, ok := places[c.Sources[i].Name]
		if !ok {
			continue
		}
		written.Provider, written.BaseURL = c.Sources[i].Provider, place.BaseURL
		written.AllowPrivateHosts = slices.Concat(written.AllowPrivateHosts, place.AllowPrivateHosts)
		written.Credentials = make(map[string]string, len(place.Credentials))
		for name, ref := range place.Credentials {
			written.Credentials[name] = string(ref)
		}
		f.Sources = append(f.Sources, written)
	}
	out, err := yaml.Dump(moved.node(reflect.ValueOf(*f), ""), yaml.WithLineWidth(-1))
	if err != nil {
		panic(fmt.Sprintf("move configuration: %v", err)) // our own nodes can always be written
	}
	return out
}
