package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// completionPatience is how long a shell waits for the daemon's names.
const completionPatience = 2 * time.Second

// names are the candidates of a completion, as the daemon has them.
type names func(ctx context.Context, c *client) ([]cobra.Completion, error)

// complete completes one argument by what the daemon has. Where there is none, there
// are no candidates.
func (f *clientFlags) complete(from ...names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const noFiles = cobra.ShellCompDirectiveNoFileComp
		c, err := f.client(cmd)
		if err != nil || len(args) > 0 {
			return nil, noFiles
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		var all []cobra.Completion
		for _, list := range from {
			some, _ := list(ctx, c)
			all = append(all, some...)
		}
		slices.Sort(all)
		return slices.Compact(all), noFiles
	}
}

func peerNames(ctx context.Context, c *client) (list []cobra.Completion, err error) {
	var peers []peer
	err = c.call(ctx, &peers, "getpeerinfo")
	for _, p := range peers {
		list = append(list, cobra.CompletionWithDesc(plain(p.Addr), plain(p.agent())))
	}
	return list, err
}

func addedNames(ctx context.Context, c *client) (list []cobra.Completion, err error) {
	var all []added
	err = c.call(ctx, &all, "getaddednodeinfo")
	for _, a := range all {
		list = append(list, plain(a.Node))
	}
	return list, err
}

func banNames(ctx context.Context, c *client) (list []cobra.Completion, err error) {
	var bans []ban
	err = c.call(ctx, &bans, "listbanned")
	for _, b := range bans {
		list = append(list, cobra.CompletionWithDesc(plain(b.Address), plain(b.Reason)))
	}
	return list, err
}

func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what completes commands in bash, zsh, fish or powershell",
		Long: `Completion prints what a shell needs to complete commands, flags, and the addresses that
the daemon knows. To have it in each new shell:

  bash        holdfast completion bash >~/.local/share/bash-completion/completions/holdfast
  zsh         holdfast completion zsh >"${fpath[1]}/_holdfast"
  fish        holdfast completion fish >~/.config/fish/completions/holdfast.fish
  powershell  holdfast completion powershell >>$PROFILE`,
		Args:      arguments("completion SHELL"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return usageError{fmt.Errorf("there is no completion for %q; there is for %v", args[0], shells)}
		},
	}
}
