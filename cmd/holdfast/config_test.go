package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// configured returns the settings of a command line, an environment, and a file.
func configured(t *testing.T, args, environ []string, file string) (*settings, error) {
	t.Helper()
	dir := t.TempDir()
	if file != "" {
		if err := os.WriteFile(filepath.Join(dir, confFileName), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var f runFlags
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.add(flags)
	if err := flags.Parse(append(args, "--datadir", dir)); err != nil {
		t.Fatal(err)
	}
	return configure(flags, environ)
}

// TestConfigure: who outweighs whom.
func TestConfigure(t *testing.T) {
	for name, tt := range map[string]struct {
		args, environ []string
		file          string
		setting, want string
		from          string
	}{
		"default":                      {nil, nil, "", "maxpeers", "125", "default"},
		"file":                         {nil, nil, "\ufeff; a comment\n# another\n\n  MaxPeers = 1 \n", "maxpeers", "1", "holdfast.conf:4"},
		"environment before file":      {nil, []string{"HOLDFAST_MAXPEERS=2"}, "maxpeers=1", "maxpeers", "2", "HOLDFAST_MAXPEERS"},
		"command line before all":      {[]string{"--maxpeers", "3"}, []string{"HOLDFAST_MAXPEERS=2"}, "maxpeers=1", "maxpeers", "3", "the command line"},
		"the last line of a file":      {nil, nil, "maxpeers=1\nmaxpeers=2", "maxpeers", "2", "holdfast.conf:1, DIR/holdfast.conf:2"},
		"a value in quotes":            {nil, nil, `logdir=" /a b\\"`, "logdir", ` /a b\`, "holdfast.conf:1"},
		"a key alone":                  {nil, nil, "nolisten", "nolisten", "true", "holdfast.conf:1"},
		"a value with a key's sign":    {nil, nil, "debuglevel=info,PEER=debug", "debuglevel", "info,PEER=debug", "holdfast.conf:1"},
		"btcd's section":               {nil, nil, "[Application Options]\nmaxpeers=1", "maxpeers", "1", "holdfast.conf:2"},
		"a network's section":          {[]string{"--signet"}, nil, "maxpeers=1\n[signet]\nmaxpeers=2\n[regtest]\nmaxpeers=3", "maxpeers", "2", "holdfast.conf:1, DIR/holdfast.conf:3"},
		"the section before the rest":  {nil, nil, "[signet]\nmaxpeers=2\n[application options]\nmaxpeers=1\nsignet=1", "maxpeers", "2", "holdfast.conf:4, DIR/holdfast.conf:2"},
		"mainnet's section":            {nil, nil, "[mainnet]\nmaxpeers=2", "maxpeers", "2", "holdfast.conf:2"},
		"a list":                       {nil, nil, "connect=a\nconnect=b", "connect", "a b", "holdfast.conf:1, DIR/holdfast.conf:2"},
		"a list of the environment":    {nil, []string{"HOLDFAST_CONNECT=a, b"}, "connect=c", "connect", "a b", "HOLDFAST_CONNECT"},
		"a list is not added to":       {[]string{"--connect", "d"}, []string{"HOLDFAST_CONNECT=a"}, "connect=c", "connect", "d", "the command line"},
		"one network outweighs others": {[]string{"--regtest"}, []string{"HOLDFAST_SIGNET=1"}, "simnet=1", "simnet", "false", "default"},
		"a time in seconds":            {nil, nil, "banduration=86400", "banduration", "24h0m0s", "holdfast.conf:1"},
		"a time":                       {nil, nil, "banduration=1h30m", "banduration", "1h30m0s", "holdfast.conf:1"},
		"others' variables":            {nil, []string{"HOLDFASTER=1", "MAXPEERS=1"}, "", "maxpeers", "125", "default"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := configured(t, tt.args, tt.environ, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			dir := s.flags.Lookup("datadir").Value.String()
			got := strings.Join(valuesOf(s.flags.Lookup(tt.setting)), " ")
			from := strings.TrimPrefix(strings.ReplaceAll(s.from(tt.setting), dir, "DIR"), "DIR"+string(filepath.Separator))
			if got != tt.want || from != tt.from {
				t.Errorf("%s is %q from %q, want %q from %q", tt.setting, got, from, tt.want, tt.from)
			}
		})
	}
}

// TestConfigureRefuses what it does not understand, and says where it stands.
func TestConfigureRefuses(t *testing.T) {
	for _, tt := range []struct {
		environ    []string
		file, want string
	}{
		{nil, "maxpeers=1\nmaxpeer=2", `holdfast.conf:2: there is no setting "maxpeer"`},
		{nil, "maxpeers=many", `holdfast.conf:1: maxpeers "many": it must be a number`},
		{nil, "\nmaxpeers=", `holdfast.conf:2: maxpeers "": it must be a number`},
		{nil, "maxpeers=99999999999999999999", `holdfast.conf:1: maxpeers "99999999999999999999": the number is too large`},
		{nil, "banthreshold=-1", `holdfast.conf:1: banthreshold "-1": it must be a number, from 0 on`},
		{nil, "nolisten=maybe", `holdfast.conf:1: nolisten "maybe": it must be true or false`},
		{nil, "banduration=1d", `holdfast.conf:1: banduration "1d": it must be a time, as 24h or 1h30m, or a number of seconds`},
		{nil, "banduration=9223372037", `holdfast.conf:1: banduration "9223372037": it is too long`},
		{[]string{"HOLDFAST_NOLISTEN=maybe"}, "", `HOLDFAST_NOLISTEN "maybe": it must be true or false`},
		{nil, "[signet]\n\nmaxpeer=2", `holdfast.conf:3: there is no setting "maxpeer"`},
		{nil, "[testnet3]\nmaxpeers=2", `holdfast.conf:1: there is no section [testnet3]; there are [Application Options] and [mainnet]`},
		{nil, "[testnet3]\n[signet]\nmaxpeers=2", `holdfast.conf:1: there is no section [testnet3]; there are`},
		{nil, `logdir="/a b`, `holdfast.conf:1: "logdir=\"/a b": what begins with a quote ends with one`},
		{nil, "[signet\nmaxpeers=2", `holdfast.conf:1: "[signet": a section ends in ]`},
		{nil, "[signet]\nregtest=1", `holdfast.conf:2: regtest chooses a network`},
		{nil, "max peers", `holdfast.conf:1: "max peers": it must be key=value`},
		{nil, "=1", `holdfast.conf:1: "=1": it must be key=value`},
		{nil, "help", `holdfast.conf:1: there is no setting "help"`},
		{nil, "configfile=x", `holdfast.conf:1: configfile cannot stand in a configuration file`},
		{nil, strings.Repeat("#", maxConfFile+1), `holdfast.conf:1: longer than 1048576 bytes`},
		{[]string{"HOLDFAST_MAXPEERS=many"}, "", `HOLDFAST_MAXPEERS "many": it must be a number`},
		{[]string{"HOLDFAST_CONFIGFILE=/nowhere/x.conf"}, "", `configuration file open /nowhere/x.conf: `},
	} {
		_, err := configured(t, nil, tt.environ, tt.file)
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// TestUnusedVariables are told, for they may be misspelt.
func TestUnusedVariables(t *testing.T) {
	s, err := configured(t, nil, []string{"HOLDFAST_MAXPEER=1", "HOLDFAST_DUMPCONFIG=1", "HOLDFAST_MAXPEERS=1"}, "")
	if err != nil || strings.Join(s.unused, " ") != "HOLDFAST_DUMPCONFIG HOLDFAST_MAXPEER" {
		t.Errorf("%q, %v", s.unused, err)
	}
}

// TestDump: what is dumped can be read, and means the same.
func TestDump(t *testing.T) {
	s, err := configured(t, []string{"--connect", "a", "--connect", "b", "--logdir", `" a`}, []string{"HOLDFAST_REGTEST=1", "HOLDFAST_MAXPEER=1"}, "debuglevel=PEER=trace,warn\nnolisten")
	if err != nil {
		t.Fatal(err)
	}
	var dump bytes.Buffer
	if err := s.dump(&dump); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"; the command line\nconnect=a\nconnect=b\n",
		"; the command line\nlogdir=\"\\\" a\"\n",
		"; HOLDFAST_REGTEST\nregtest=true\n",
		"holdfast.conf:1\ndebuglevel=PEER=trace,warn\n",
		"; default\nmaxpeers=125\n",
		"; default\n;addpeer=\n",
		"\n; HOLDFAST_MAXPEER in the environment is no setting\n",
	} {
		if !strings.Contains(dump.String(), want) {
			t.Errorf("no %q in\n%s", want, dump.String())
		}
	}
	text := strings.ReplaceAll(dump.String(), "; the command line\ndatadir=", ";")
	again, err := configured(t, nil, nil, text)
	if err != nil {
		t.Fatal(err)
	}
	if names := s.changed(again); strings.Join(names, " ") != "datadir" {
		t.Errorf("%q differ", names)
	}
}

// What is read has keys without blanks or none (the head of a section), sections in lower
// case, and true numbers of lines. What is quoted means the same.
func FuzzParseConf(f *testing.F) {
	f.Add("a=b\n[c]\nd\n;e\n#f\ng=\"\\n \"")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseConf([]byte(text))
		last := 0
		for _, l := range lines {
			if l.key == "" && l.value != "" || strings.ContainsAny(l.key, " \t\n") || l.line <= last || l.section != strings.ToLower(l.section) {
				t.Errorf("%+v after line %d", l, last)
			}
			last = l.line
			if l.key == "" {
				continue
			}
			again, err := parseConf([]byte(l.key + "=" + quoted(l.value)))
			if err != nil || len(again) != 1 || again[0].value != l.value {
				t.Errorf("%q becomes %+v, %v", l.value, again, err)
			}
		}
		if err != nil && len(lines) > 0 {
			t.Error("lines and an error")
		}
	})
}
