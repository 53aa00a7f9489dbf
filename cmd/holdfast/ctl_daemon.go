package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newLog() *cobra.Command {
	cmd, f := control("log [LEVELS]", "Change how much is logged",
		`Log changes how much the daemon logs, until it is started anew: a level for all, as debug,
or for some subsystems, as PEER=debug,CMGR=trace. The levels are trace, debug, info, warn,
error, critical and off. Without levels it lists the subsystems and theirs.`)
	cmd.Args = arguments(cmd.Use)
	cmd.RunE = f.run(func(ctx context.Context, c *client, args []string) error {
		if len(args) == 1 {
			return c.order(ctx, "It logs "+args[0]+" from now on", "debuglevel", args[0])
		}
		return ask(ctx, c, func(levels map[string]string) error {
			var rows [][]string
			for _, name := range slices.Sorted(maps.Keys(levels)) {
				rows = append(rows, []string{name, levels[name]})
			}
			return writeTable(c.out, []column{{title: "SUBSYSTEM"}, {title: "LEVEL"}}, rows, nil)
		}, "debuglevel")
	})
	return cmd
}

func newStop() *cobra.Command {
	cmd, f := control("stop", "End the daemon", "Stop has the daemon leave, which takes it 10 seconds at most.")
	cmd.RunE = f.run(func(ctx context.Context, c *client, _ []string) error {
		return c.order(ctx, "It is stopping", "stop")
	})
	return cmd
}

func newUptime() *cobra.Command {
	cmd, f := control("uptime", "Say for how long the daemon runs", "Uptime says for how long the daemon runs; with --json in seconds.")
	cmd.RunE = f.run(func(ctx context.Context, c *client, _ []string) error {
		return ask(ctx, c, func(seconds int64) error {
			_, err := fmt.Fprintln(c.out, spanText(time.Duration(seconds)*time.Second))
			return err
		}, "uptime")
	})
	return cmd
}

func newCall() *cobra.Command {
	cmd, f := control("rpc METHOD [PARAMS...]", "Call any method of the daemon",
		`Rpc calls a method and prints its result: a text as it is, anything else as JSON. A
parameter that is JSON (a number, true, an object) is sent as that, and all others as text; a
text that looks like JSON is given in its quotes: '"5"'. With -named they are name=value.
"holdfast rpc help" lists the methods. The flags stand before the method.`)
	named := cmd.Flags().Bool("named", false, "the parameters are name=value; -named will do, as for bitcoin-cli")
	cmd.Example = `  holdfast rpc help setban
  holdfast rpc setban 192.0.2.0/24 add 3600
  holdfast rpc -named setban subnet=192.0.2.1 command=add bantime=60`
	cmd.Flags().SetInterspersed(false)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("METHOD is missing")
		}
		return nil
	}
	cmd.RunE = f.run(func(ctx context.Context, c *client, args []string) error {
		var params any = positional(args[1:])
		if *named {
			byName, err := byName(args[1:])
			if err != nil {
				return err
			}
			params = byName
		}
		raw, err := c.raw(ctx, args[0], params)
		var refused *callError
		if errors.As(err, &refused) {
			return fmt.Errorf("%w (code %d)", refused, refused.Code)
		}
		var text string
		switch {
		case err != nil:
			return err
		case !c.json && string(raw) == "null":
			return nil
		case !c.json && json.Unmarshal(raw, &text) == nil:
			_, err := fmt.Fprintln(c.out, text)
			return err
		}
		return c.print(raw)
	})
	return cmd
}

// positional makes parameters of arguments.
func positional(args []string) []any {
	params := make([]any, len(args))
	for i, a := range args {
		params[i] = value(a)
	}
	return params
}

// value is an argument as it is sent.
func value(arg string) any {
	if json.Valid([]byte(arg)) {
		return json.RawMessage(arg)
	}
	return arg
}

// byName makes named parameters of arguments. What has no name is by position, as
// bitcoin-cli has it.
func byName(args []string) (map[string]any, error) {
	params := make(map[string]any)
	var front []any
	for _, a := range args {
		name, text, ok := strings.Cut(a, "=")
		if !ok {
			front = append(front, value(a))
			continue
		}
		if _, twice := params[name]; twice {
			return nil, usagef("%s is given twice", name)
		}
		params[name] = value(text)
	}
	if front != nil {
		params["args"] = front
	}
	return params, nil
}

// doubleDash has -named of "holdfast rpc -named ..." mean --named: bitcoin-cli has one
// dash.
func doubleDash(args []string) []string {
	args = slices.Clone(args)
	if len(args) > 0 && args[0] == "rpc" {
		if i := slices.Index(args, "-named"); i > 0 {
			args[i] = "--named"
		}
	}
	return args
}
