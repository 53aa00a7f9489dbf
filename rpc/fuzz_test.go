package rpc

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Whatever is sent, the answer is JSON, or there is none.
func FuzzRequest(f *testing.F) {
	for _, name := range []string{"codec", "peers", "bans", "ours"} {
		text, err := os.ReadFile("testdata/" + name + ".txt")
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if body, ok := strings.CutPrefix(line, "> "); ok && !strings.Contains(body, `"wait"`) {
				f.Add(body)
			}
		}
	}
	cfg := testConfig(newFake(f))
	cfg.Limits.Rate = 1 << 30
	s, err := newServer(cfg)
	if err != nil {
		f.Fatal(err)
	}
	// Waiting would cost time.
	delete(s.methods, "events")
	f.Fuzz(func(t *testing.T, body string) {
		w := s.ask(body)
		switch w.Code {
		case http.StatusNoContent:
			if w.Body.Len() > 0 {
				t.Errorf("there is a body: %s", w.Body)
			}
		case 200, 400, 404, 500:
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("no JSON: %s", w.Body)
			}
		case http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
