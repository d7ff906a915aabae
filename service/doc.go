// Package service connects the parts: it opens the archive, runs every
// goroutine of the daemon and ends them in order, keeps the schedules, and
// speaks to the operating system's service manager.
package service
