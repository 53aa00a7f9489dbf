package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// TestCountSignals: two signals in short order are one, sent twice.
func TestCountSignals(t *testing.T) {
	for _, tt := range []struct {
		name         string
		waits        []time.Duration // before each signal
		first, again int
	}{
		{"none", nil, 0, 0},
		{"one", []time.Duration{0}, 1, 0},
		{"to the process and its group", []time.Duration{0, sameSignal}, 1, 0},
		{"thrice", []time.Duration{0, sameSignal / 2, sameSignal / 2}, 1, 0},
		{"another", []time.Duration{0, sameSignal + 1}, 1, 1},
		{"another, after an hour", []time.Duration{time.Hour, 0, time.Hour}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals, done := make(chan os.Signal, 2), make(chan struct{})
				first, again := 0, 0
				go countSignals(signals, done, func() { first++ }, func() { again++ })
				for _, d := range tt.waits {
					time.Sleep(d)
					signals <- os.Interrupt
				}
				synctest.Wait()
				close(done)
				synctest.Wait()
				if first != tt.first || again != tt.again {
					t.Errorf("%d first, %d others, want %d and %d", first, again, tt.first, tt.again)
				}
			})
		})
	}
}

// stuck is a program that watches for signals as run does, and that never ends after
// the first.
func stuck() {
	ctx, _ := untilSignal(context.Background())
	fmt.Println("watching")
	<-ctx.Done()
	fmt.Println("ending")
	<-make(chan struct{})
}

// TestSecondSignal ends the process at once, when its orderly end is held up.
func TestSecondSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals to send")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "stuck")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, want := range []string{"watching", "ending"} {
		if !lines.Scan() || lines.Text() != want {
			t.Errorf("it says %q, want %q", lines.Text(), want)
		}
		_ = cmd.Process.Signal(os.Interrupt) // after "ending": the same again, maybe
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines.Scan() // false at its end
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case <-ended:
			waiting = false
		case <-tick.C:
			_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		}
	}
	if err := cmd.Wait(); ctx.Err() != nil || cmd.ProcessState.ExitCode() != exitError {
		t.Errorf("it ended by %v, %v; want exit code %d", err, ctx.Err(), exitError)
	}
}
