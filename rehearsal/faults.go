package rehearsal

import (
	"fmt"
	"slices"

	"callsyncd/simulator"
)

// Fault is something a rehearsal lets happen, chosen by its name.
type Fault struct {
	Name string `json:"name"`
	What string `json:"what"`

	vendor *simulator.Named // nil when it happens to the program
}

// The faults that happen to the program rather than to a vendor.
const (
	restart  = "restart"
	diskFull = "disk_full"
)

// Faults lists what can be chosen.
func Faults() []Fault {
	var all []Fault
	for _, named := range simulator.Catalog() {
		all = append(all, Fault{named.Name, named.What, &named})
	}
	return append(all,
		Fault{Name: restart, What: "the program is stopped in the middle of its work and started again"},
		Fault{Name: diskFull, What: "the disk has less room than recordings.min_free asks for"},
	)
}

// UnknownFault says that no fault has that name.
type UnknownFault struct{ Name string }

func (e *UnknownFault) Error() string { return fmt.Sprintf("%q is not a fault", e.Name) }

// choose finds faults by their names, in the order of Faults; "all" means every one.
func choose(names []string) ([]Fault, error) {
	all := Faults()
	var chosen []Fault
	for _, name := range names {
		if name != "all" && !slices.ContainsFunc(all, func(f Fault) bool { return f.Name == name }) {
			return nil, &UnknownFault{name}
		}
	}
	for _, f := range all {
		if slices.Contains(names, f.Name) || slices.Contains(names, "all") {
			chosen = append(chosen, f)
		}
	}
	return chosen, nil
}
