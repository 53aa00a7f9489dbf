package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/node"
)

// newMan makes the command that prints the man page, of which packaging/holdfast.1 is a
// copy.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man",
		Short:  "Print the man page",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), manPage(cmd.Root()))
			return err
		},
	}
}

// manPage makes a man page of all commands, in man(7)'s macros.
func manPage(root *cobra.Command) string {
	m := new(man)
	m.macro("TH", "HOLDFAST", "1", "", "holdfast "+node.Version, "")
	m.macro("SH", "NAME")
	m.text("holdfast - a Bitcoin peer-to-peer daemon that keeps its peers")
	m.macro("SH", "SYNOPSIS")
	m.text("holdfast COMMAND [FLAGS] [ARGUMENTS]")
	m.macro("SH", "DESCRIPTION")
	m.long(root.Long)
	m.macro("SH", "COMMANDS")
	shared := new(clientFlags)
	control := pflag.NewFlagSet("", pflag.ContinueOnError)
	control.SortFlags = false
	shared.add(control)
	for _, c := range root.Commands() {
		m.command(c)
	}
	m.macro("SH", "FLAGS OF COMMANDS THAT ASK THE DAEMON")
	m.flags(control)
	for _, s := range manSections {
		m.macro("SH", s.title)
		for _, item := range s.items {
			m.item(item[0], item[1])
		}
	}
	return m.String()
}

// manSections are what no command's help says.
var manSections = []struct {
	title string
	items [][2]string
}{
	{"EXIT STATUS", [][2]string{
		{fmt.Sprint(exitOK), "All went well."},
		{fmt.Sprint(exitError), "It could not do what it was asked for, or the daemon refused."},
		{fmt.Sprint(exitUsage), "It was called wrongly."},
		{fmt.Sprint(exitAway), "There was no daemon to ask."},
	}},
	{"ENVIRONMENT", [][2]string{
		{"HOLDFAST_NAME", "The value of the flag --name, as HOLDFAST_MAXPEERS=40. The command line outweighs it. Commands that ask the daemon take the network, DATADIR, CONFIGFILE, RPCSERVER, RPCUSER, RPCPASS and RPCCERT."},
		{"NO_COLOR", "If it is not empty, nothing is coloured. What does not go to a terminal never is."},
	}},
	{"FILES", [][2]string{
		{"~/.config/holdfast", "The data directory, if --datadir does not say another. Each network has a directory in it."},
		{"holdfast.conf", "In the data directory: settings, as maxpeers=40, also below a section for one network, as [signet]."},
		{"NETWORK/.cookie", "The user and the password of the daemon that runs; who can read it may give commands."},
		{"NETWORK/.rpcaddress", "Where that daemon takes commands."},
	}},
}

// man is a page in the making.
type man struct{ strings.Builder }

// roff makes text fit for a line: nothing in it is an order.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func (m *man) macro(name string, args ...string) {
	m.WriteString("." + name)
	for _, a := range args {
		m.WriteString(` "` + strings.ReplaceAll(roff(a), `"`, `\(dq`) + `"`)
	}
	m.WriteByte('\n')
}

func (m *man) text(text string) { m.WriteString(roff(text) + "\n") }

// long writes paragraphs. Lines that are indented stay as they are.
func (m *man) long(text string) {
	for i, part := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		if i > 0 {
			m.macro("PP")
		}
		as := strings.HasPrefix(part, "  ")
		if as {
			m.macro("nf")
		}
		for line := range strings.SplitSeq(part, "\n") {
			m.text(line)
		}
		if as {
			m.macro("fi")
		}
	}
}

// item writes a term and what it means.
func (m *man) item(term, text string) {
	m.macro("TP")
	m.macro("B", term)
	m.text(text)
}

// command writes a command and those below it. Flags that are shared stand elsewhere.
func (m *man) command(c *cobra.Command) {
	if c.Hidden || c.Name() == "help" {
		return
	}
	if c.Parent().HasParent() {
		m.macro("TP")
		m.macro("B", c.CommandPath()+strings.TrimPrefix(c.Use, c.Name()))
		m.text(c.Short + ".")
	} else {
		m.macro("SS", c.CommandPath()+strings.TrimPrefix(c.Use, c.Name()))
		long := c.Long
		if long == "" {
			long = c.Short + "."
		}
		m.long(long)
		if c.Example != "" {
			m.macro("PP")
			m.long(c.Example)
		}
	}
	if c.LocalNonPersistentFlags().HasAvailableFlags() {
		m.macro("RS")
		m.flags(c.LocalNonPersistentFlags())
		m.macro("RE")
	}
	for _, sub := range c.Commands() {
		m.command(sub)
	}
}

// flags writes flags.
func (m *man) flags(flags *pflag.FlagSet) {
	flags.SortFlags = false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		term := "--" + f.Name
		if f.Shorthand != "" {
			term = "-" + f.Shorthand + ", " + term
		}
		if value != "" {
			term += " " + value
		}
		// The default data directory is another one for each user.
		if by := f.DefValue; by != "" && by != "0" && by != "0s" && by != "false" && by != "[]" && f.Name != "datadir" {
			usage += " (default " + by + ")"
		}
		m.item(term, strings.ReplaceAll(usage, "\n", " "))
	})
}
