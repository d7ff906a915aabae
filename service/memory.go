package service

import (
	"os"
	"runtime/debug"
)

// memoryLimit is what the Go runtime tries to stay below, in bytes: garbage is
// collected the sooner the nearer it comes. It is no hard limit.
const memoryLimit = 160 << 20

// LimitMemory keeps the process small where GOMEMLIMIT does not say how large
// it may be.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
