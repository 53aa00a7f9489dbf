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

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// A message is framed here and not by wire, which reserves memory by what a
// header says, and reads up to 4 MB after a wrong magic before it tells.

const (
	readBuffer = 4 << 10

	// keepPayload is the largest payload buffer that a session keeps for the next
	// message. Addresses fit; the rare larger messages give theirs back.
	keepPayload = 64 << 10
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

// payload reads the payload of h. Memory grows with what has come, not with what
// was announced. The result is valid until the next call. It reports whether the
// checksum is right.
func (f *frames) payload(h frameHeader) (data []byte, intact bool, err error) {
	if f.buf.Cap() > keepPayload {
		f.buf = bytes.Buffer{}
	}
	f.buf.Reset()
	if _, err := io.CopyN(&f.buf, f.r, int64(h.length)); err != nil {
		return nil, false, err
	}
	sum := chainhash.DoubleHashB(f.buf.Bytes())
	return f.buf.Bytes(), [4]byte(sum[:4]) == h.checksum, nil
}

// skip reads over the payload of h, and reports whether the checksum is right.
func (f *frames) skip(h frameHeader) (intact bool, err error) {
	f.sum.Reset()
	if _, err := io.CopyN(f.sum, f.r, int64(h.length)); err != nil {
		return false, err
	}
	first := f.sum.Sum(nil)
	sum := sha256.Sum256(first)
	return [4]byte(sum[:4]) == h.checksum, nil
}
