package service

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"unicode"

	"callsyncd/packaging"
)

const stateFolder = "/var/lib/callsyncd"

// ServiceOptions say how the daemon is to run as a service.
type ServiceOptions struct {
	// OS is linux, darwin or windows; empty means this one. Only DryRun looks
	// at others.
	OS string
	// User makes it a service of the user's own session, not of the system.
	User bool
	// Account is whom a system service runs as. Empty means callsyncd on
	// Linux, NT SERVICE\callsyncd on Windows, and root on macOS.
	Account string
	// Executable, Config and DataDir are absolute paths. An empty Executable
	// means this program.
	Executable, Config, DataDir string
	// Credentials are the names the configuration uses with credential:NAME.
	Credentials []string
}

// unit is a service definition, ready to be written.
type unit struct {
	ServiceOptions
	StateDirectory bool   // systemd makes the data folder
	InHome         bool   // something needed lies in a home folder
	Log            string // file for the output (macOS)
	path, text     string
}

// DryRun returns what Install would write, and where.
func DryRun(o ServiceOptions) (path, text string, err error) {
	u, err := newUnit(o)
	if err != nil {
		return "", "", err
	}
	return u.path, u.text, nil
}

// AfterInstall says what is left to do for the user.
func AfterInstall(o ServiceOptions) string {
	if o.User && runtime.GOOS == "linux" {
		return "run `loginctl enable-linger` so that it also runs while you are logged out, then `callsyncd service start --user`"
	}
	if o.User {
		return "run `callsyncd service start --user`"
	}
	return "run `callsyncd service start`"
}

// newUnit fills in what o leaves open, renders the text and checks it.
func newUnit(o ServiceOptions) (*unit, error) {
	u, err := place(o)
	if err == nil {
		err = u.render()
	}
	if err != nil {
		return nil, fmt.Errorf("service definition: %w", err)
	}
	return u, nil
}

// render fills the template of the system.
func (u *unit) render() error {
	if err := u.checkPaths(); err != nil {
		return err
	}
	t, err := template.New(u.OS).Funcs(quoting).Parse(u.template())
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, u); err != nil {
		return err
	}
	u.text = text.String()
	return u.check()
}

func (u *unit) checkPaths() error {
	if u.Executable == "" {
		path, err := os.Executable()
		if err != nil {
			return err
		}
		u.Executable = path
	}
	for _, p := range []struct{ name, path string }{{"program", u.Executable}, {"configuration", u.Config}, {"data folder", u.DataDir}} {
		if !absolute(u.OS, p.path) {
			return fmt.Errorf("the path of the %s must be absolute, not %q", p.name, p.path)
		}
		if strings.ContainsFunc(p.path, unicode.IsControl) || strings.Contains(p.path, "{{") || strings.Contains(p.path, `"`) {
			return fmt.Errorf("the path of the %s has characters that service definitions cannot hold: %q", p.name, p.path)
		}
	}
	if u.OS == "linux" && strings.ContainsAny(u.Executable, `'\$`) {
		return fmt.Errorf("systemd starts no program whose path has quotes, backslashes or dollar signs: %s", u.Executable)
	}
	if u.OS == "linux" && !u.User {
		u.StateDirectory = filepath.Clean(u.DataDir) == stateFolder
		u.InHome = inHome(u.Executable) || inHome(u.Config) || inHome(u.DataDir)
	}
	return nil
}

// inHome reports whether ProtectHome would hide a path.
func inHome(path string) bool {
	for _, folder := range []string{"/home/", "/root/", "/run/user/"} {
		if strings.HasPrefix(path+"/", folder) {
			return true
		}
	}
	return false
}

// place decides where the service of o is defined and whom it runs as.
func place(o ServiceOptions) (*unit, error) {
	u := &unit{ServiceOptions: o}
	if u.OS == "" {
		u.OS = runtime.GOOS
	}
	home, err := os.UserHomeDir()
	if err != nil && u.User {
		return nil, fmt.Errorf("a service of a user needs a home folder: %w", err)
	}
	account := ""
	switch {
	case u.OS == "linux" && u.User:
		u.path = filepath.Join(home, ".config/systemd/user/callsyncd.service")
	case u.OS == "linux":
		u.path, account = "/etc/systemd/system/callsyncd.service", serviceName
	case u.OS == "darwin" && u.User:
		u.path, u.Log = home+"/Library/LaunchAgents/callsyncd.plist", home+"/Library/Logs/callsyncd.log"
	case u.OS == "darwin":
		u.path, u.Log = "/Library/LaunchDaemons/callsyncd.plist", "/Library/Logs/callsyncd.log"
	case u.OS == "windows" && u.User:
		return nil, errors.New("windows has no services of a single user; leave out --user")
	case u.OS == "windows":
		u.path, account = `HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\callsyncd`, `NT SERVICE\callsyncd`
	default:
		return nil, fmt.Errorf("services are known for linux, darwin and windows, not %s", u.OS)
	}
	switch {
	case u.User && u.Account != "":
		return nil, errors.New("a service of a user runs as that user; leave out the account")
	case u.Account == "":
		u.Account = account
	case strings.ContainsFunc(u.Account, unicode.IsControl) || strings.Contains(u.Account, "{{"):
		return nil, fmt.Errorf("%q is not an account", u.Account)
	}
	return u, nil
}

// absolute is filepath.IsAbs for another system's paths.
func absolute(system, path string) bool {
	if system != "windows" {
		return strings.HasPrefix(path, "/")
	}
	return len(path) > 2 && path[1] == ':' && (path[2] == '\\' || path[2] == '/') || strings.HasPrefix(path, `\\`)
}

func (u *unit) template() string {
	switch {
	case u.OS == "darwin":
		return packaging.Launchd
	case u.OS == "windows":
		return packaging.Windows
	case u.User:
		return packaging.SystemdUser
	}
	return packaging.SystemdSystem
}

// check makes sure that no half or broken definition is ever written.
func (u *unit) check() error {
	if strings.Contains(u.text, "{{") {
		return errors.New("the text still has places to fill in")
	}
	if u.OS != "darwin" {
		return nil
	}
	d := xml.NewDecoder(strings.NewReader(u.text))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// quoting makes a text safe inside each format.
var quoting = template.FuncMap{
	"exec":    func(s string) string { return strings.ReplaceAll(systemdWord(s), "$", "$$") },
	"words":   systemdWord,
	"value":   systemdValue,
	"windows": func(s string) string { return `"` + s + `"` },
	"xml": func(s string) (string, error) {
		var b strings.Builder
		err := xml.EscapeText(&b, []byte(s))
		return b.String(), err
	},
}

// systemdValue escapes what systemd expands everywhere.
func systemdValue(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// systemdWord is one word where systemd splits at spaces.
func systemdWord(s string) string {
	s = systemdValue(s)
	if strings.ContainsAny(s, " \t'\\;#") {
		return `"` + strings.ReplaceAll(s, `\`, `\\`) + `"`
	}
	return s
}
