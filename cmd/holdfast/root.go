package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // it could not run, or not end as it should
	exitUsage = 2 // it was not asked for properly
	exitAway  = 3 // there is no daemon to ask
)

// usageError is an error in how holdfast was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Main runs the program with the arguments that it was started with, and returns
// its exit code.
func Main() int {
	root := newRoot()
	root.SetArgs(doubleDash(os.Args[1:]))
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	code, text := exitCode(err), oneLine(err.Error())
	if code == exitUsage {
		text += fmt.Sprintf(" (see %s --help)", cmd.CommandPath())
	}
	fmt.Fprintln(os.Stderr, "holdfast: "+text)
	return code
}

// exitCode is the exit code that an error means.
func exitCode(err error) int {
	var usage usageError
	var away unreachableError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &away):
		return exitAway
	}
	return exitError
}

// oneLine makes one line of an error's text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// usagef returns a usageError.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "A Bitcoin peer-to-peer daemon that keeps its peers",
		Long: `Holdfast joins a Bitcoin network, keeps the wanted number of healthy outbound
peers, takes inbound ones, bans the abusive, and tells its operator about it all.
It validates no chain and relays no transactions or blocks.

To see what it does, without a network and without set-up:

  holdfast demo

It exits with 0 if all went well, 1 if it could not do what it was asked for or the
daemon refused, 2 if it was called wrongly, and 3 if there was no daemon to ask.`,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		var wrong *pflag.InvalidValueError
		if errors.As(err, &wrong) {
			return usagef("--%s %q: %w", wrong.GetFlag().Name, wrong.GetValue(), plainValueError(wrong))
		}
		return usageError{err}
	})
	root.AddCommand(newRun(), newDemo(), newVersion())
	addControl(root)
	return root
}

// noCommand refuses what is no command, and says what may have been meant.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("there is no command %q; did you mean %q?", args[0], near[0])
	}
	return usagef("there is no command %q", args[0])
}

// noArgs refuses arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("unexpected argument %q", args[0])
}
