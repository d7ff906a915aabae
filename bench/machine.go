package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine says where the figures come from.
func machine() string {
	model, load := runtime.GOARCH, ""
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			model = strings.Trim(line, "\t: ")
		}
	}
	if averages, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load " + strings.Join(strings.Fields(string(averages))[:3], " ")
	}
	return fmt.Sprintf("%s, %d processors%s, %s", model, runtime.NumCPU(), load, runtime.Version())
}
