package main

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"holdfast/node"
)

func tcp(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }

func TestParseLevels(t *testing.T) {
	for _, tt := range []struct {
		spec       string
		peer, cmgr slog.Level
		err        string
	}{
		{"info", slog.LevelInfo, slog.LevelInfo, ""},
		{"TRACE", node.LevelTrace, node.LevelTrace, ""},
		{"off", levelOff, levelOff, ""},
		{"PEER=debug", slog.LevelDebug, slog.LevelInfo, ""},
		{"warn, peer=debug ,CMGR=trace", slog.LevelDebug, node.LevelTrace, ""},
		{"", 0, 0, `there is no level ""`},
		{"PEER=", 0, 0, `there is no level ""`},
		{"=info", 0, 0, `there is no subsystem ""`},
		{"info,", 0, 0, `there is no level ""`},
		{"XXXX=info", 0, 0, `there is no subsystem "XXXX"`},
	} {
		l, err := parseLevels(tt.spec)
		if tt.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("%q: %v", tt.spec, err)
			}
			continue
		}
		if err != nil || l.of("PEER") != tt.peer || l.of("CMGR") != tt.cmgr || l.least != min(l.all, tt.peer, tt.cmgr) {
			t.Errorf("%q: %+v, %v", tt.spec, l, err)
		}
	}
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	l, _ := parseLevels("warn,PEER=debug")
	log := newLogger(&out, l)
	log.Info("not shown")
	log.Warn("shown", "n", 1)
	log.Debug("a peer", node.SubsystemKey, "PEER")
	log.With(node.SubsystemKey, "SEED", "k", "v").Error("a seed")
	log.WithGroup("g").Log(t.Context(), levelCritical, "the end")
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, line[24:])
	}
	want := "[WRN] NODE: shown n=1\n[DBG] PEER: a peer\n[ERR] SEED: a seed k=v\n[CRT] NODE: the end\n"
	if strings.Join(got, "") != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
