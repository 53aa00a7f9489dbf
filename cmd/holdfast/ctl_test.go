package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// manFile is what packagers install.
const manFile = "../../packaging/holdfast.1"

// each calls fn for all commands.
func each(c *cobra.Command, fn func(*cobra.Command)) {
	fn(c)
	for _, sub := range c.Commands() {
		each(sub, fn)
	}
}

// TestManPage: the man page has all commands, flags and exit codes, and the copy of it
// that is packaged is of this program.
func TestManPage(t *testing.T) {
	t.Parallel()
	root := newRoot()
	page := manPage(root)
	file, err := os.ReadFile(manFile)
	if err != nil || string(file) != page {
		t.Errorf("%s is not what this program prints (%v): run go run ./cmd/holdfast man >packaging/holdfast.1", manFile, err)
	}
	text := strings.NewReplacer(`\-`, "-", `\e`, `\`, `\&`, "").Replace(page)
	each(root, func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" {
			return
		}
		if !strings.Contains(text, `"`+c.CommandPath()) && c.HasParent() {
			t.Errorf("there is no %q", c.CommandPath())
		}
		for flag := range strings.FieldsSeq(c.LocalFlags().FlagUsages()) {
			if name, ok := strings.CutPrefix(flag, "--"); ok && name != "help" && !strings.Contains(text, "--"+name) {
				t.Errorf("%s: there is no --%s", c.CommandPath(), name)
			}
		}
	})
	for code := exitOK; code <= exitAway; code++ {
		if !strings.Contains(text, fmt.Sprintf(".TP\n.B \"%d\"\n", code)) {
			t.Errorf("there is no exit code %d", code)
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "'") {
			t.Errorf("line %d is an order to roff: %q", i+1, line)
		}
	}
}

// TestCommands: all commands have a help, and say what they call their arguments.
func TestCommands(t *testing.T) {
	t.Parallel()
	each(newRoot(), func(c *cobra.Command) {
		if c.Short == "" && c.HasParent() {
			t.Errorf("%s has no short help", c.CommandPath())
		}
		for _, text := range []string{c.Short, c.Long, c.Example} {
			for line := range strings.SplitSeq(text, "\n") {
				if len([]rune(line)) > 95 {
					t.Errorf("%s: a line of the help is too long: %q", c.CommandPath(), line)
				}
			}
		}
	})
}

// TestArguments: how many arguments there are is said by the use of a command.
func TestArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ use, args, want string }{
		{"x", "", ""},
		{"x", "a", `unexpected argument "a"`},
		{"x ADDRESS", "a", ""},
		{"x ADDRESS", "", "ADDRESS is missing"},
		{"x ADDRESS|ID [FILE]", "", "ADDRESS|ID is missing"},
		{"x ADDRESS [FILE]", "a", ""},
		{"x ADDRESS [FILE]", "a b", ""},
		{"x ADDRESS [FILE]", "a b c", `unexpected argument "c"`},
	} {
		err := arguments(tt.use)(nil, strings.Fields(tt.args))
		if got := strings.TrimPrefix(fmt.Sprint(err), "<nil>"); got != tt.want || err != nil && exitCode(err) != exitUsage {
			t.Errorf("%s with %q: %q, want %q", tt.use, tt.args, got, tt.want)
		}
	}
}

// TestParameters: what the arguments of rpc are as JSON.
func TestParameters(t *testing.T) {
	t.Parallel()
	args := []string{"192.0.2.1", "add", "3600", "true", "null", `"5"`, `[1,"a"]`, "", "a=b", "1.5e3", "01", "'"}
	got, err := json.Marshal(positional(args))
	want := `["192.0.2.1","add",3600,true,null,"5",[1,"a"],"","a=b",1.5e3,"01","'"]`
	if string(got) != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	named, err := byName([]string{"192.0.2.1", "command=add", "bantime=60", "reason=a=b", "empty="})
	if err != nil {
		t.Fatal(err)
	}
	got, err = json.Marshal(named)
	want = `{"args":["192.0.2.1"],"bantime":60,"command":"add","empty":"","reason":"a=b"}`
	if string(got) != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if _, err := byName([]string{"a=1", "a=2"}); err == nil {
		t.Error("a name is taken twice")
	}
}

// TestDoubleDash: bitcoin-cli's -named is understood, and nothing else is changed.
func TestDoubleDash(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"rpc -named setban a=b":         "rpc --named setban a=b",
		"rpc --datadir x -named setban": "rpc --datadir x --named setban",
		"rpc -n setban":                 "rpc -n setban",
		"explain -named":                "explain -named",
		"":                              "",
		"rpc":                           "rpc",
	} {
		before := strings.Fields(in)
		args := slices.Clone(before)
		if got := strings.Join(doubleDash(args), " "); got != want || !slices.Equal(args, before) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestBanTime: what --for means to setban.
func TestBanTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":      "0 false for the usual time",
		"24h":   "86400 false for 1d",
		"90m":   "5400 false for 1h30m",
		"60":    "60 false for 1m",
		"ever":  "253402300799 true for ever",
		"0":     "error",
		"-1h":   "error",
		"500ms": "error",
		"never": "error",
	} {
		var b banTime
		got := "error"
		if text == "" || b.Set(text) == nil {
			seconds, absolute := b.params()
			got = fmt.Sprint(seconds, absolute, " ", b.text())
			got = strings.Join(strings.Fields(got), " ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestBanFiles: bans are written as they are, and both kinds of files are read.
func TestBanFiles(t *testing.T) {
	t.Parallel()
	list, err := listOf([]ban{
		{Address: "192.0.2.0/24", Created: 1_760_000_000, Until: 9_760_000_000, Reason: "flooding", Origin: "score"},
		{Address: "2001:db8::1/128", Created: 1_760_000_000, Until: lastSecond, Reason: "by hand", Origin: "operator"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ours, core strings.Builder
	if err := list.Export(&ours); err != nil {
		t.Fatal(err)
	}
	if err := list.ExportCore(&core); err != nil {
		t.Fatal(err)
	}
	want := `{"format":"holdfast banlist","version":1,"bans":[
{"subject":"192.0.2.0/24","origin":"score","since":1760000000,"until":9760000000,"reason":"flooding"},
{"subject":"2001:db8::1","origin":"operator","since":1760000000,"until":0,"reason":"by hand"}
]}
`
	if ours.String() != want {
		t.Errorf("%s, want %s", ours.String(), want)
	}
	for _, text := range []string{ours.String(), core.String()} {
		again, err := readBans([]byte(text))
		if err != nil || again.Len() != 2 {
			t.Errorf("%v, %v of\n%s", again, err, text)
		}
	}
	for _, text := range []string{"", "[]", "{}", `{"banned_nets":{}}`, strings.Replace(want, "score", "x", 1)} {
		if _, err := readBans([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
