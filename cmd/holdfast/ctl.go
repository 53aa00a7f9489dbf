package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"
)

// The groups of commands in the help.
const (
	groupDaemon  = "daemon"
	groupControl = "control"
)

// addControl adds the commands that talk to a running daemon.
func addControl(root *cobra.Command) {
	root.AddGroup(
		&cobra.Group{ID: groupDaemon, Title: "To run it:"},
		&cobra.Group{ID: groupControl, Title: "To see and steer the daemon that runs:"},
	)
	for _, c := range root.Commands() {
		if c.Name() == "run" || c.Name() == "demo" {
			c.GroupID = groupDaemon
		}
	}
	for _, c := range []*cobra.Command{
		newPeers(), newBans(), newAddr(), newNet(), newEvents(), newExplain(), newTop(),
		newDashboard(), newLog(), newUptime(), newStop(), newCall(),
	} {
		c.GroupID = groupControl
		root.AddCommand(c)
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newCompletion(), newMan())
}

// control returns a command that talks to the daemon, and the flags that it and those
// below it share.
func control(use, short, long string) (*cobra.Command, *clientFlags) {
	f := new(clientFlags)
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: noCommand}
	cmd.PersistentFlags().SortFlags = false
	cmd.Flags().SortFlags = false
	f.add(cmd.PersistentFlags())
	return cmd, f
}

// sub adds a command below another.
func (f *clientFlags) sub(parent *cobra.Command, use, short string, do func(ctx context.Context, c *client, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: arguments(use), RunE: f.run(do)}
	cmd.Flags().SortFlags = false
	parent.AddCommand(cmd)
	return cmd
}

// arguments checks that there are as many arguments as the use of a command says:
// "add ADDRESS [FILE]" has one or two.
func arguments(use string) cobra.PositionalArgs {
	names := strings.Fields(use)[1:]
	least := 0
	for _, n := range names {
		if !strings.HasPrefix(n, "[") {
			least++
		}
	}
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s is missing", names[len(args)])
		case len(args) > len(names):
			return usagef("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// ask calls a method whose result is of type T, and has it printed: as it is for
// programs, else by people.
func ask[T any](ctx context.Context, c *client, people func(T) error, method string, params ...any) error {
	return c.show(ctx, func(raw json.RawMessage) error {
		var v T
		if err := (&answer{Result: raw}).into(method, &v); err != nil {
			return err
		}
		return people(v)
	}, method, params...)
}
