package media

import "golang.org/x/sys/windows"

// diskFull are the errors of a full disk, a spent quota and a file size limit.
var diskFull = []error{
	windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL,
	windows.ERROR_DISK_QUOTA_EXCEEDED, windows.ERROR_FILE_TOO_LARGE,
}
