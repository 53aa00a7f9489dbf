package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
	"github.com/rogpeppe/go-internal/testscript"
)

// oneLineOfStderr checks that the last command wrote exactly one line to stderr.
func oneLineOfStderr(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile("stderr")
	if neg || len(args) > 0 {
		ts.Fatalf("usage: oneline")
	}
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || !strings.HasPrefix(text, "holdfast: ") {
		ts.Fatalf("stderr is not one line of holdfast's:\n%s", text)
	}
}

// waitForOutput waits until a file has a text: "waitfor FILE TEXT". With "listen"
// as FILE, it waits until somebody listens at the address TEXT.
func waitForOutput(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		if args[0] == "listen" {
			if c, err := net.Dial("tcp", args[1]); err == nil {
				_ = c.Close() // it was a try
				return
			}
		} else if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(b), args[1]) {
			return
		}
		if !pauseFor(ctx, 20*time.Millisecond) {
			ts.Fatalf("%s never came", args[1])
		}
	}
}

// endures has a peer of regtest misbehave for 40 points: "endures ADDRESS" fails if the
// node hangs up on it, and "! endures ADDRESS" if it does not.
func endures(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: endures ADDRESS")
	}
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // then it hangs
	nobody := wire.NewNetAddressIPPort(net.IPv4zero, 0, 0)
	say := []wire.Message{wire.NewMsgVersion(nobody, nobody, 4711, 0)}
	for range 1 + 4 { // four too many
		say = append(say, wire.NewMsgVerAck())
	}
	for _, m := range append(say, wire.NewMsgPing(1)) {
		if err := wire.WriteMessage(c, m, wire.ProtocolVersion, wire.TestNet); err != nil {
			break // it has hung up
		}
	}
	stays := false
	for err = nil; err == nil && !stays; {
		var m wire.Message
		if m, _, err = wire.ReadMessage(c, wire.ProtocolVersion, wire.TestNet); err == nil {
			_, stays = m.(*wire.MsgPong)
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		ts.Fatalf("the node neither answers nor hangs up")
	}
	if stays == neg {
		ts.Fatalf("the node endures it: %v (%v)", stays, err)
	}
}

// sendGarbage sends what is no Bitcoin to an address.
func sendGarbage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: garbage ADDRESS")
	}
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		ts.Fatalf("%v", err)
	}
	_, err = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	if err != nil {
		ts.Fatalf("%v", err)
	}
	_, _ = io.Copy(io.Discard, c) // until the node hangs up, in whichever way
	_ = c.Close()
}
