package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// isTerminal reports whether somebody watches what is written to w.
func isTerminal(w io.Writer) bool {
	if s, ok := w.(*sink); ok {
		w = s.Writer
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// checkColor refuses other words than --color knows.
func (a *app) checkColor() error {
	switch a.color {
	case "auto", "always", "never":
		return nil
	}
	return usageError("say --color=auto, --color=always or --color=never", "--color: %q is not a choice", a.color)
}

// colored decides about colours in what is written to w: flag before
// environment, and none by itself where nobody would see them.
func (a *app) colored(w io.Writer) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	return isTerminal(w) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// paint wraps text in an ANSI style, where colours are wanted.
type paint struct{ on bool }

func (p paint) style(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p paint) bold(text string) string   { return p.style("1", text) }
func (p paint) dim(text string) string    { return p.style("2", text) }
func (p paint) red(text string) string    { return p.style("31", text) }
func (p paint) green(text string) string  { return p.style("32", text) }
func (p paint) match(text string) string  { return p.style("1;33", text) }
func (p paint) yellow(text string) string { return p.style("33", text) }

// ink is the paint for stdout.
func (a *app) ink() paint { return paint{a.colored(a.stdout)} }
