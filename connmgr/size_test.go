package connmgr

import (
	"testing"
	"unsafe"
)

// Each connection costs one ConnReq: 80 bytes is a size class of Go's allocator,
// and the next is 96.
func TestConnReqIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(ConnReq{}); size > 80 && unsafe.Sizeof(uintptr(0)) == 8 {
		t.Errorf("a ConnReq has %d bytes", size)
	}
}
