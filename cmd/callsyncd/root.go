package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// app is what all commands share: where they write, and the global flags.
type app struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time

	configFile     string
	color          string
	json           bool
	quiet, verbose bool

	// started is set once the command line was found right.
	started bool
}

const rootLong = `callsyncd keeps every call of your call platforms - record, transcript, recording -
on your own disk: complete, searchable, provable.

Exit codes: 0 done and proved; 1 failed; 2 wrong usage; 3 partial, something is missing and
listed; 4 not found; 5 credentials refused; 75 another process holds the archive;
78 configuration; 130 interrupted.`

// newRoot makes a fresh command tree.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "callsyncd",
		Short: "Archive and search the calls of your call platforms",
		Long:  rootLong,
		Example: `  callsyncd demo                              # see it work, without any account
  callsyncd config check && callsyncd sync    # fetch everything once
  callsyncd search '"money back" agent:refund' --from 7d`,
		Version:       buildVersion().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if err := a.checkColor(); err != nil {
				return err
			}
			if a.quiet && a.verbose {
				return usageError("", "--quiet cannot be combined with --verbose")
			}
			a.started = true
			return nil
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.Flags().Bool("version", false, "print the version of this program")
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", "", "configuration `file` (default: $CALLSYNCD_CONFIG, else the system's, else the user's)")
	flags.StringVar(&a.color, "color", "auto", "colours: auto, always or never; NO_COLOR switches auto off")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress, only errors")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "log what is done, to standard error")
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml") // fails only for flags that are not there
	addGroups(root, a)
	root.SetHelpCommandGroupID("about")
	root.SetCompletionCommandGroupID("about")
	return root
}

// addGroups adds all commands, grouped as --help shows them.
func addGroups(root *cobra.Command, a *app) {
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"try", "Try it:", []*cobra.Command{newDemo(a), newRehearse(a), newSimulate(a)}},
		{"archive", "Fill the archive:", []*cobra.Command{newRun(a), newSync(a), newService(a)}},
		{"read", "Read the archive:", []*cobra.Command{newSearch(a), newCalls(a), newShow(a), newExport(a), newStats(a), newOpen(a)}},
		{"trust", "Know what is missing, prove the rest:", []*cobra.Command{newStatus(a), newGaps(a), newWhy(a), newStatement(a), newVerify(a), newReindex(a)}},
		{"about", "Set up:", []*cobra.Command{newConfig(a), newProvider(a), newVersion(a)}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, c := range group.commands {
			c.GroupID = group.id
			root.AddCommand(c)
		}
	}
}

// family makes a command that only holds others.
func family(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Example: example, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError("see `"+c.CommandPath()+" --help`", "%s wants one of: %s", c.Name(), strings.Join(names(c), ", "))
		}
		hint := "see `" + c.CommandPath() + " --help`"
		if like := c.SuggestionsFor(args[0]); len(like) > 0 {
			hint = "did you mean " + like[0] + "? " + hint
		}
		return usageError(hint, "unknown command %q for %q", args[0], c.CommandPath())
	}
	c.AddCommand(commands...)
	return c
}

// wants demands exactly the named arguments.
func wants(arguments ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if len(given) == len(arguments) {
			return nil
		}
		return fmt.Errorf("%s wants %s, not %s", strings.TrimPrefix(c.CommandPath(), "callsyncd "), strings.Join(arguments, " "), plural(len(given), "argument"))
	}
}

func names(c *cobra.Command) []string {
	var list []string
	for _, sub := range c.Commands() {
		list = append(list, sub.Name())
	}
	return list
}

// jsonFlag is for commands that print data.
func (a *app) jsonFlag(c *cobra.Command) {
	c.Flags().BoolVar(&a.json, "json", false, "print JSON: the body the API answers with")
}

// logger is for commands whose output says what happened: with --verbose they
// also log it.
func (a *app) logger() *slog.Logger {
	if !a.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
