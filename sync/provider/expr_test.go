package provider

import (
	"context"
	"testing"
	"time"

	"github.com/itchyny/gojq"
)

// A machine that is busy with other things leaves no field empty.
func TestExpressionThatWasInterruptedIsRunAgain(t *testing.T) {
	limits := runLimits
	runLimits = []time.Duration{0, time.Minute}
	t.Cleanup(func() { runLimits = limits })
	query, err := gojq.Parse("[range(10000)] | length")
	if err != nil {
		t.Fatal(err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := run(context.Background(), code, nil); err != nil || v != 10000 {
		t.Errorf("%v, %v", v, err)
	}
}
