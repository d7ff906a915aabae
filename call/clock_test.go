package call

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// steady is a back-off of equal pauses.
type steady time.Duration

func (s steady) NextBackOff() time.Duration { return time.Duration(s) }
func (steady) Reset()                       {}

func TestRealClockWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, wake := time.Now(), make(chan struct{}, 1)
		if err := (RealClock{}).Wait(t.Context(), time.Minute, wake); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("waited %s: %v", time.Since(begin), err)
		}
		wake <- struct{}{}
		if err := (RealClock{}).Wait(t.Context(), time.Minute, wake); err != nil || time.Since(begin) != time.Minute {
			t.Errorf("woken after %s: %v", time.Since(begin), err)
		}
		ended := errors.New("ended")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(ended)
		if err := (RealClock{}).Wait(ctx, time.Minute, nil); err != ended {
			t.Errorf("the end of the context is %v", err)
		}
	})
}

func TestPacedWaitsByItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		p := Paced{Ctx: ctx, Clock: RealClock{}, Pauses: steady(time.Second)}
		if left := p.NextBackOff(); left != 0 || time.Since(begin) != time.Second {
			t.Errorf("%s left after %s", left, time.Since(begin))
		}
		cancel()
		if left := p.NextBackOff(); left >= 0 {
			t.Errorf("%s left after the end", left)
		}
		if left := (&Paced{Ctx: t.Context(), Clock: RealClock{}, Pauses: steady(-1)}).NextBackOff(); left >= 0 {
			t.Errorf("%s left where there is to be no further try", left)
		}
	})
}
