package rpc

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"holdfast/stream"
)

// BenchmarkCall is one call over loopback: getpeerinfo of a node with all its 125 peers,
// and of what is cheapest.
func BenchmarkCall(b *testing.B) {
	n := newFake(b)
	for len(n.snap.Peers) < 125 {
		n.snap.Peers = append(n.snap.Peers, n.snap.Peers[0])
	}
	for _, method := range []string{"getpeerinfo", "getconnectioncount"} {
		b.Run(method, func(b *testing.B) {
			cfg := testConfig(n)
			cfg.Limits.Rate = 1 << 30
			s, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			serve(b, s)
			tr := &http.Transport{}
			b.Cleanup(tr.CloseIdleConnections)
			client := &http.Client{Transport: tr}
			body := []byte(`{"id":1,"method":"` + method + `"}`)
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+s.Addrs()[0].String(), bytes.NewReader(body))
				if err != nil {
					b.Fatal(err)
				}
				r.SetBasicAuth("alice", "secret")
				resp, err := client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				size, err := io.Copy(io.Discard, resp.Body)
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(resp.Status, err)
				}
				b.SetBytes(size)
				_ = resp.Body.Close()
			}
		})
	}
}

// BenchmarkFeed is what an event costs the node, with 200 followers.
func BenchmarkFeed(b *testing.B) {
	h := stream.NewHub(0)
	for range 200 {
		s := h.Subscribe(stream.Filter{})
		go func() {
			for {
				if _, _, err := s.Next(b.Context()); err != nil {
					return
				}
			}
		}()
	}
	e := numbered(1)
	for b.Loop() {
		e.Seq++
		h.Feed(e)
	}
}
