package node

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/btcsuite/btcd/wire/v2"
)

// A message is framed here and not by wire, which reserves memory by what a
// header says, and reads up to 4 MB after a wrong magic before it tells.

const (
	readBuffer = 4 << 10

	// keepPayload is the largest buffer that a session keeps for the next message, to
	// read it or to write it. The rare larger messages, a getheaders of 16 KB or our
	// addresses, give theirs back.
	keepPayload = 8 << 10
)

// errOversize says that a header announces more than any message may have.
var errOversize = errors.New("message too long")

// wrongMagicError says that what came is no message of our network.
type wrongMagicError wire.BitcoinNet

func (e wrongMagicError) Error() string {
	if net := wire.BitcoinNet(e); knownNets[net] {
		return fmt.Sprintf("it speaks %v", net)
	}
	return fmt.Sprintf("what it sends begins with %08x, as no message does; perhaps the encrypted transport (BIP324), which is not spoken here", uint32(e))
}

var knownNets = map[wire.BitcoinNet]bool{
	wire.MainNet: true, wire.TestNet: true, wire.TestNet3: true,
	wire.TestNet4: true, wire.SigNet: true, wire.SimNet: true,
}

// frameHeader is the header of a message.
type frameHeader struct {
	command  string
	length   uint32
	checksum [4]byte
}

// frames reads messages from a stream.
type frames struct {
	r   *bufio.Reader
	net wire.BitcoinNet
	buf bytes.Buffer
	sum hash.Hash
}

func newFrames(r io.Reader, net wire.BitcoinNet) *frames {
	return &frames{r: bufio.NewReaderSize(r, readBuffer), net: net, sum: sha256.New()}
}

// header reads the next header. After an error the stream is of no more use. It
// fails at the first four bytes if they are not the network's.
func (f *frames) header() (frameHeader, error) {
	magic, err := f.r.Peek(4)
	if err != nil {
		return frameHeader{}, err
	}
	if got := wire.BitcoinNet(binary.LittleEndian.Uint32(magic)); got != f.net {
		return frameHeader{}, wrongMagicError(got)
	}
	var b [wire.MessageHeaderSize]byte
	if _, err := io.ReadFull(f.r, b[:]); err != nil {
		return frameHeader{}, err
	}
	h := frameHeader{
		command:  string(bytes.TrimRight(b[4:16], "\x00")),
		length:   binary.LittleEndian.Uint32(b[16:20]),
		checksum: [4]byte(b[20:24]),
	}
	if h.length > wire.MaxProtocolMessageLength {
		return h, errOversize
	}
	return h, nil
}

// body is the payload of one message. Who reads it hashes it; end must be called before
// the next header is read.
type body struct {
	f    *frames
	h    frameHeader
	left int64 // bytes that have not been read
}

func (f *frames) body(h frameHeader) *body {
	f.sum.Reset()
	return &body{f, h, int64(h.length)}
}

// Read reads from the stream, and not over the end of the payload.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.f.r.Read(p[:min(int64(len(p)), b.left)])
	b.f.sum.Write(p[:n])
	b.left -= int64(n)
	return n, err
}

// Len returns how many bytes are left.
func (b *body) Len() int { return int(b.left) }

// all reads all of it into memory, which grows with what has come, not with what was
// announced. The result is valid until the next call.
func (b *body) all() (*bytes.Buffer, error) {
	buf := &b.f.buf
	if buf.Cap() > keepPayload {
		*buf = bytes.Buffer{}
	}
	buf.Reset()
	_, err := io.CopyN(buf, b, b.left)
	return buf, err
}

// end reads over what is left, and reports whether the checksum is right. It fails if
// the stream has failed before.
func (b *body) end() (intact bool, err error) {
	for b.left > 0 { // from buffer to hash: io.CopyN would take 32 KB for it
		p, err := b.f.r.Peek(int(min(b.left, readBuffer)))
		if err != nil {
			return false, err
		}
		b.f.sum.Write(p)
		_, _ = b.f.r.Discard(len(p)) // they are there
		b.left -= int64(len(p))
	}
	first := b.f.sum.Sum(nil)
	sum := sha256.Sum256(first)
	return [4]byte(sum[:4]) == b.h.checksum, nil
}
