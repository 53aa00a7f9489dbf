package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how long after a signal another one counts as the same: some tools
// send it to the process and to its group.
const sameSignal = 200 * time.Millisecond

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The
// second one ends the process at once. stop ends the watching.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go countSignals(signals, done, cancel, func() { os.Exit(exitError) })
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

// countSignals calls first at the first signal, and again at each that is another one,
// until done is closed.
func countSignals(signals <-chan os.Signal, done <-chan struct{}, first, again func()) {
	var began time.Time
	for {
		select {
		case <-signals:
			switch {
			case began.IsZero():
				began = time.Now()
				first()
			case time.Since(began) > sameSignal:
				again()
			}
		case <-done:
			return
		}
	}
}

// hangups returns where each SIGHUP comes from now on, for onHangup. On Windows there
// is none.
func hangups() chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals
}

// onHangup calls fn at each of the hangups, until stop is called, which waits for it.
func onHangup(signals chan os.Signal, fn func()) (stop func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range signals {
			fn()
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	}
}
