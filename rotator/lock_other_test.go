//go:build !darwin && !linux

package rotator

// lockNamesProcess: ErrLocked says which process has the log.
const lockNamesProcess = false
