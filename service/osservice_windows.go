package service

import "golang.org/x/sys/windows/svc/mgr"

// restartAfterErrors lets the recovery actions apply also when the daemon ends
// by itself with an error, not only when it crashes.
func restartAfterErrors(name string) error {
	m, err := mgr.Connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.OpenService(name)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.SetRecoveryActionsOnNonCrashFailures(true)
}
