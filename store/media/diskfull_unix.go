//go:build !windows

package media

import "syscall"

// diskFull are the errors of a full disk, a spent quota and a file size limit.
var diskFull = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}
