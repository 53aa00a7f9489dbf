package btclog

import "sync"

const (
	// newBuffer holds nearly every line without growing.
	newBuffer = 512

	// maxKept is the largest buffer that is kept for another line. One dump of
	// 10 MB would otherwise hold 10 MB for good.
	maxKept = 16 << 10
)

// A buffer is where one line is put together.
type buffer struct {
	b []byte
}

// buffers caches; it is the only variable of the package that changes, and what it
// holds carries nothing from one line to the next.
var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, newBuffer)} }}

func getBuffer() *buffer {
	return buffers.Get().(*buffer)
}

// put gives a buffer back, and whether it was kept.
func (buf *buffer) put() bool {
	if cap(buf.b) > maxKept {
		return false
	}
	buf.b = buf.b[:0]
	buffers.Put(buf)
	return true
}
