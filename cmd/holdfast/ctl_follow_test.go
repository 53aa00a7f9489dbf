package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A round is what one question to a daemon is answered.
type round struct {
	takes time.Duration // until then
	want  uint64        // the number asked for
	news  news
	err   error
	up    time.Duration // set: it is asked for how long it has been there
}

// rounds is an eventSource that plays a script, and then waits until it is not asked
// any more.
type rounds struct {
	t    *testing.T
	list []round
	stop func()
}

func (r *rounds) next(ctx context.Context) round {
	if len(r.list) == 0 {
		r.stop()
		<-ctx.Done()
		return round{err: unreachableError{ctx.Err()}}
	}
	x := r.list[0]
	r.list = r.list[1:]
	time.Sleep(x.takes)
	return x
}

func (r *rounds) after(ctx context.Context, seq uint64) (news, error) {
	left := len(r.list)
	x := r.next(ctx)
	if left > 0 && (seq != x.want || x.up != 0) {
		r.t.Errorf("with %d rounds left it asks for what is after %d, want %+v", left, seq, x)
	}
	return x.news, x.err
}

func (r *rounds) uptime(ctx context.Context) (time.Duration, error) {
	x := r.next(ctx)
	if x.up == 0 && x.err == nil {
		r.t.Errorf("it asks for the uptime, want %+v", x)
	}
	return x.up, x.err
}

// told is an eventSink that writes all down.
type told []string

func (s *told) events(list []json.RawMessage) error {
	for _, e := range list {
		*s = append(*s, string(e))
	}
	return nil
}
func (s *told) lost(n uint64) error    { *s = append(*s, fmt.Sprintf("lost %d", n)); return nil }
func (s *told) note(text string) error { *s = append(*s, text); return nil }

func some(last, lost uint64, events ...string) news {
	n := news{Last: last, Lost: lost}
	for _, e := range events {
		n.Events = append(n.Events, json.RawMessage(e))
	}
	return n
}

// TestFollow: no event is missed or shown twice, whatever the daemon does.
func TestFollow(t *testing.T) {
	t.Parallel()
	refused := unreachableError{errors.New("refused")}
	for name, tt := range map[string]struct {
		rounds []round
		want   []string
		err    error
	}{
		"events": {
			[]round{{want: 7, news: some(9, 0, "8", "9")}, {takes: pollWait, want: 9, news: some(9, 0)}, {want: 9, news: some(12, 2, "12")}},
			[]string{"8", "9", "lost 2", "12"},
			nil,
		},
		"it is away for a moment": {
			[]round{{want: 7, err: refused}, {err: refused}, {err: refused}, {up: time.Hour}, {want: 7, news: some(8, 0, "8")}},
			[]string{"The daemon is gone, and waited for: refused", "The daemon answers again", "8"},
			nil,
		},
		"it is started anew": {
			[]round{{want: 7, err: refused}, {takes: time.Minute, up: 30 * time.Second}, {want: 0, news: some(100, 0, "1", "100")}},
			[]string{"The daemon is gone, and waited for: refused", "The daemon was started anew", "1", "100"},
			nil,
		},
		"another daemon has another cookie": {
			[]round{{want: 7, err: errLogin}, {takes: time.Minute, up: 30 * time.Second}, {want: 0, news: some(1, 0, "1")}},
			[]string{"The daemon is gone, and waited for: " + errLogin.Error(), "The daemon was started anew", "1"},
			nil,
		},
		"it refuses": {
			[]round{{want: 7, err: &callError{codeMisc, "too many"}}}, nil, &callError{codeMisc, "too many"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var got told
				err := follow(ctx, &rounds{t, tt.rounds, stop}, &got, 7)
				if !slices.Equal(got, tt.want) || fmt.Sprint(err) != fmt.Sprint(tt.err) {
					t.Errorf("%q, %v, want %q, %v", got, err, tt.want, tt.err)
				}
			})
		})
	}
}

// TestEventWriter: a line for people, or JSON, and nothing that steers a terminal.
func TestEventWriter(t *testing.T) {
	t.Parallel()
	list := []json.RawMessage{json.RawMessage(`{"seq":1,"time":0.5,"kind":"lost","level":"warn","text":"a\u001b[2J\nb"}`)}
	for _, asJSON := range []bool{false, true} {
		var out, errs strings.Builder
		w := eventWriter{out: &out, err: &errs, json: asJSON}
		if err := errors.Join(w.events(list), w.lost(3)); err != nil {
			t.Fatal(err)
		}
		want, wantErrs := clockText(0.5)+` [WRN] a\x1b[2J\nb`+"\n", "holdfast: 3 events lost: more happened than the daemon keeps\n"
		if asJSON {
			want, wantErrs = string(list[0])+"\n{\"lost\":3}\n", ""
		}
		if out.String() != want || errs.String() != wantErrs {
			t.Errorf("%q and %q, want %q and %q", out.String(), errs.String(), want, wantErrs)
		}
	}
}
