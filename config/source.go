package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
)

func (r *reader) sources(cfg *Config, f *file, o Options) {
	if len(f.Sources) == 0 {
		if !r.bad["sources"] {
			r.problem("sources", "is missing; name at least one account to archive, each with name, provider and credentials")
		}
		return
	}
	first := map[string]int{}
	for i := range f.Sources {
		key := fmt.Sprintf("sources[%d]", i)
		if r.bad[key] {
			continue
		}
		name := f.Sources[i].Name
		if before, repeated := first[name]; repeated && name != "" {
			r.problem(key+".name", "%q is already the name of sources[%d]; every source needs its own", printable(name), before)
		} else {
			first[name] = i
		}
		s := r.source(key, &f.Sources[i], o)
		cfg.Sources = append(cfg.Sources, s)
		r.openable(key, &s, o)
	}
}

// openable reports why a source cannot be opened, unless what it is opened with
// was complained about already.
func (r *reader) openable(key string, s *Source, o Options) {
	if o.Source == nil {
		return
	}
	for bad := range r.bad {
		for _, needed := range []string{".provider", ".base_url", ".credentials", ".allow_private_hosts"} {
			if strings.HasPrefix(bad, key+needed) {
				return
			}
		}
	}
	if err := o.Source(s); err != nil {
		for line := range strings.Lines(err.Error()) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "source "+string(s.Name)+": ")
			r.problem(key+ofCredential(line), "%s", line)
		}
	}
}

// ofCredential is the rest of the key of what is said about a credential, empty
// for everything else.
func ofCredential(said string) string {
	said, ok := strings.CutPrefix(said, "credential ")
	name, _, _ := strings.Cut(said, " ")
	if name = strings.Trim(name, `":`); !ok || name == "" {
		return ""
	}
	return ".credentials." + name
}

func (r *reader) source(key string, f *sourceFile, o Options) Source {
	f.Provider = r.provider(key+".provider", f.Provider, o)
	s := Source{
		Name:        r.sourceName(key+".name", f.Name),
		Provider:    f.Provider,
		BaseURL:     r.baseURL(key+".base_url", f.BaseURL),
		Credentials: r.credentials(key+".credentials", f.Credentials),
		Since:       r.since(key+".since", f.Since),
		Schedule: Schedule{
			Head:     r.schedule(key+".schedule.head", f.Schedule.Head),
			Trailing: r.schedule(key+".schedule.trailing", f.Schedule.Trailing),
			Sweep:    r.schedule(key+".schedule.sweep", f.Schedule.Sweep),
		},
		LateHorizon: r.duration(key+".late_horizon", f.LateHorizon, time.Second),
		Concurrency: r.count(key+".concurrency", f.Concurrency, maxInFlight),
		Recordings:  f.Recordings,
	}
	for i, b := range f.Budgets {
		s.Budgets = append(s.Budgets, r.budget(fmt.Sprintf("%s.budgets[%d]", key, i), b))
	}
	for i, h := range f.AllowPrivateHosts {
		s.AllowPrivateHosts = append(s.AllowPrivateHosts, r.privateHost(fmt.Sprintf("%s.allow_private_hosts[%d]", key, i), h))
	}
	if len(s.AllowPrivateHosts) > 0 {
		r.warn(key+".allow_private_hosts", "recording links of this vendor may reach into your own network: %s", strings.Join(s.AllowPrivateHosts, ", "))
	}
	return s
}

func (r *reader) sourceName(key, name string) call.SourceID {
	switch {
	case r.bad[key]:
	case name == "":
		r.problem(key, "is missing; give the account a short name, such as crm")
	case !sourceName.MatchString(name):
		r.problem(key, "%q is not a name: 1 to 32 of the letters a-z, digits and -", printable(name))
	}
	return call.SourceID(name)
}

// provider returns the built-in name, or the absolute path of a provider file.
func (r *reader) provider(key, name string, o Options) string {
	switch {
	case r.bad[key]:
		return name
	case name == "":
		r.problem(key, "is missing; `callsyncd provider list` shows the names")
		return name
	case strings.HasPrefix(name, "~"):
		r.problem(key, "~ is not supported; write the whole path")
		return name
	}
	if isPath(name) && !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(r.file), name)
	}
	if o.Provider != nil {
		if err := o.Provider(name); err != nil {
			r.problem(key, "%s", printableError(err))
		}
	}
	return name
}

// isPath tells the path of a provider file from the name of a built-in one.
func isPath(name string) bool {
	ext := filepath.Ext(name)
	return strings.ContainsAny(name, `/\`) || ext == ".yaml" || ext == ".yml"
}

func (r *reader) credentials(key string, written map[string]string) map[string]Ref {
	refs := make(map[string]Ref, len(written))
	for _, name := range slices.Sorted(maps.Keys(written)) {
		if r.bad[key+"."+name] {
			continue
		}
		ref, err := ParseRef(written[name])
		if err != nil {
			r.problem(key+"."+name, "%v", err)
		} else if mode, loose := ref.readable(); loose {
			r.warn(key+"."+name, "other users can read the secret (mode %04o); chmod 600 keeps it to the daemon", mode)
		}
		refs[name] = ref
	}
	return refs
}
