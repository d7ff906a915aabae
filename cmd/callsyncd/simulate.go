package main

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callsyncd/simulator"
)

const simulateLong = `Simulate serves the call APIs of the five vendors on this machine, with invented calls, and prints
their addresses, credentials and a configuration that is ready to use. It ends with Ctrl-C.

With --write DIR the configuration and the credentials are written there. Otherwise the
configuration reads the credentials from environment variables, which are printed with it.

Faults are chosen with --fault NAME, or NAME=SHARE with a share of the requests or calls from 0 to 1.
They have the same names in ` + "`callsyncd rehearse --list-faults`" + `, which says what they do:
`

func newSimulate(a *app) *cobra.Command {
	o := simulator.Options{}
	var faults, refuse []string
	var write, listen string
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Serve five simulated vendors, to rehearse a configuration",
		Long:  simulateLong + wrapped(vendorFaults()),
		Example: `  callsyncd simulate --calls 500 --write ./rehearsal    # then: callsyncd sync --config ./rehearsal/config.yaml
  callsyncd simulate --fault error_rate=0.1 --fault media_truncated=0.2 --late 0.3`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, f := range faults {
				if err := setFault(&o, f); err != nil {
					return err
				}
			}
			o.Faults.CredentialsRefused = append(o.Faults.CredentialsRefused, refuse...)
			return a.simulate(c.Context(), o, write, listen)
		},
	}
	flags := c.Flags()
	flags.IntVar(&o.Calls, "calls", 100, "calls of each vendor at the start")
	flags.Uint64Var(&o.Seed, "seed", 1, "the same seed makes the same calls")
	flags.DurationVar(&o.Growth, "growth", 0, "time between two new calls of each vendor (default none come)")
	flags.Float64Var(&o.Late, "late", 0, "share of the recent calls whose transcript and recording come late")
	flags.DurationVar(&o.LateAfter, "late-after", 30*time.Minute, "how late")
	flags.DurationVar(&o.URLLife, "url-life", time.Hour, "how long a recording's address is honoured")
	flags.DurationVar(&o.Latency, "latency", 0, "time waited before each answer")
	flags.BoolVar(&o.Budgets, "budgets", false, "enforce the vendors' documented request limits")
	flags.StringArrayVar(&faults, "fault", nil, "misbehave: `NAME[=SHARE]`; may be repeated")
	flags.StringSliceVar(&refuse, "refuse", nil, "refuse the credentials of this `vendor`; may be repeated")
	flags.StringSliceVar(&o.Faults.Vendors, "faulty", nil, "misbehave only as this `vendor`; may be repeated")
	flags.StringVar(&write, "write", "", "write configuration and credentials into this `folder`")
	flags.StringVar(&listen, "listen", "127.0.0.1:7411", "api.listen of the configuration")
	return c
}

func (a *app) simulate(ctx context.Context, o simulator.Options, write, listen string) error {
	if o.Calls < 0 || o.Late < 0 || o.Late > 1 {
		return usageError("", "--calls must not be negative, and --late is a share from 0 to 1")
	}
	sim := simulator.New(o)
	known := sim.Vendors()
	for _, name := range slices.Concat(o.Faults.Vendors, o.Faults.CredentialsRefused) {
		if !slices.ContainsFunc(known, func(v simulator.Vendor) bool { return v.Name == name }) {
			var names []string
			for _, v := range known {
				names = append(names, v.Name)
			}
			return usageError("known are "+strings.Join(names, ", "), "simulate: no vendor is called %q", name)
		}
	}
	if err := sim.Start(); err != nil {
		return err
	}
	if err := a.describeVendors(sim.Vendors(), write, listen); err != nil {
		_ = sim.Close() // the first error says more
		return err
	}
	a.note("serving until Ctrl-C")
	<-ctx.Done()
	return sim.Close()
}

// describeVendors prints, or writes, how the simulated vendors are reached.
func (a *app) describeVendors(vendors []simulator.Vendor, write, listen string) error {
	if write != "" {
		dir, err := filepath.Abs(write)
		if err != nil {
			return err
		}
		path, err := stage(dir, vendors, listen, "")
		if err != nil {
			return err
		}
		a.printVendors(vendors)
		a.say("# configuration: %s", safe(path))
		return nil
	}
	dir, err := filepath.Abs("rehearsal")
	if err != nil {
		return err
	}
	a.printVendors(vendors)
	text, err := vendorConfig(dir, vendors, listen, "", func(vendor, name, value string) (string, error) {
		variable := "SIM_" + strings.ToUpper(vendor+"_"+name)
		a.say("# export %s=%s", variable, value)
		return "env:" + variable, nil
	})
	if err == nil {
		a.say("%s", strings.TrimSuffix(text, "\n"))
	}
	return err
}

func (a *app) printVendors(vendors []simulator.Vendor) {
	for _, v := range vendors {
		a.say("# %-12s %s", v.Name, v.BaseURL)
	}
}

// setFault lets a fault happen that is given as NAME or NAME=SHARE.
func setFault(o *simulator.Options, text string) error {
	name, value, given := strings.Cut(text, "=")
	for _, fault := range simulator.Catalog() {
		if fault.Name != name {
			continue
		}
		share := fault.Usual
		if given {
			var err error
			if share, err = strconv.ParseFloat(value, 64); err != nil || !(share >= 0 && share <= 1) {
				return usageError("", "--fault %s: %q is not a share from 0 to 1", name, value)
			}
		}
		fault.Set(o, share)
		return nil
	}
	return usageError("known are "+strings.Join(vendorFaults(), ", "), "--fault: %q is not a fault of a vendor", name)
}

// vendorFaults are the names of the faults a simulated vendor can have.
func vendorFaults() []string {
	var names []string
	for _, fault := range simulator.Catalog() {
		names = append(names, fault.Name)
	}
	return names
}

// wrapped writes names in indented lines.
func wrapped(names []string) string {
	var text strings.Builder
	line := " "
	for i, name := range names {
		if i < len(names)-1 {
			name += ","
		}
		if len(line)+1+len(name) > 100 {
			text.WriteString(line + "\n")
			line = " "
		}
		line += " " + name
	}
	text.WriteString(line)
	return text.String()
}
