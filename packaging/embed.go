// Package packaging holds what operating systems are told about callsyncd: unit
// files and the like, as text/template texts. `callsyncd service install` fills
// them in; `callsyncd service install --dry-run` shows the result.
package packaging

import _ "embed"

// Templates of service definitions. Their fields are those of the data that
// package service renders them with; every value must go through the quoting
// function of its format.
var (
	//go:embed systemd/system.service
	SystemdSystem string
	//go:embed systemd/user.service
	SystemdUser string
	//go:embed launchd/callsyncd.plist
	Launchd string
	//go:embed windows/service.txt
	Windows string
)
