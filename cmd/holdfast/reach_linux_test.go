package main

import (
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

// TestReach: in a network namespace without any route there is no IPv6.
func TestReach(t *testing.T) {
	result := make(chan any)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			result <- err
			return
		}
		result <- new(reach).networks()
	}()
	switch got := (<-result).(type) {
	case error:
		if os.Getenv("HOLDFAST_REQUIRE_ALL") != "" || !errors.Is(got, os.ErrPermission) {
			t.Fatal(got)
		}
		t.Skip("a network namespace needs root:", got)
	case addrbook.Networks:
		if got != addrbook.NetworksOf(netaddr.IPv4) {
			t.Errorf("%v is reached from nowhere", got)
		}
	}
}
