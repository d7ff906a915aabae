package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"callsyncd/sync/provider"
)

func newProvider(a *app) *cobra.Command {
	return family("provider", "List, show and check vendor descriptions",
		"  callsyncd provider list\n  callsyncd provider check ./my-vendor.yaml",
		newProviderList(a), newProviderShow(a), newProviderCheck(a))
}

// providerInfo is a row of `provider list`.
type providerInfo struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	BaseURL     string   `json:"base_url"`
	Credentials []string `json:"credentials"` // required ones
	Optional    []string `json:"optional_credentials"`
}

func newProviderList(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the vendors that are built in",
		Example: "  callsyncd provider list --json",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.providerList() },
	}
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *app) providerList() error {
	list := []providerInfo{}
	g := newGrid("name", "vendor", "base url", "credentials")
	for _, name := range provider.Builtin() {
		d, err := provider.Load(name)
		if err != nil {
			return fmt.Errorf("provider %s: %w", name, err)
		}
		info := describe(d)
		list = append(list, info)
		needs := append([]string{}, info.Credentials...)
		for _, c := range info.Optional {
			needs = append(needs, "["+c+"]")
		}
		g.row(info.Name, info.Title, info.BaseURL, strings.Join(needs, " "))
	}
	if a.json {
		return a.printValue(list)
	}
	g.print(a.stdout)
	return nil
}

func describe(d *provider.Description) providerInfo {
	info := providerInfo{Name: d.Name(), Title: d.Title(), BaseURL: d.BaseURL(), Credentials: []string{}, Optional: []string{}}
	for _, c := range d.Credentials() {
		if c.Optional {
			info.Optional = append(info.Optional, c.Name)
		} else {
			info.Credentials = append(info.Credentials, c.Name)
		}
	}
	return info
}

func newProviderShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Print a built-in description, to read it or to begin your own with it",
		Example: "  callsyncd provider show NAME > my-vendor.yaml",
		Args:    wants("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, ok := provider.BuiltinSource(args[0])
			if !ok {
				return &fault{exitNotFound, fmt.Errorf("provider show: no vendor %q is built in", args[0]), "built in are " + strings.Join(provider.Builtin(), ", ")}
			}
			_, err := a.stdout.Write(text)
			return err
		},
	}
}

func newProviderCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE|NAME",
		Short:   "Name every mistake in a vendor description with its line, offline",
		Example: "  callsyncd provider check ./my-vendor.yaml",
		Args:    wants("FILE|NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := provider.Load(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return &fault{exitNotFound, fmt.Errorf("provider check: %w", err), "name a file, or one of " + strings.Join(provider.Builtin(), ", ")}
			}
			if err != nil {
				return err
			}
			info := describe(d)
			a.say("%s: correct; provider %s (%s), credentials: %s", safe(args[0]), safe(info.Name), safe(info.Title), safe(strings.Join(info.Credentials, ", ")))
			return nil
		},
	}
}
