package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

const (
	confFileName = "holdfast.conf"
	envPrefix    = "HOLDFAST_"
	confFlag     = "configfile"

	commandLine = "the command line" // as an origin
)

// A setting comes from one of four places. Each outweighs those before it: the
// default, the configuration file, the environment, the command line.

// settings are the flags of a command with the values that hold, and where these
// come from.
type settings struct {
	flags  *pflag.FlagSet
	given  map[string][]string // on the command line
	origin map[string]string   // of what is no default
	unused []string            // variables of the environment that are no setting
}

// configure gives the flags of a command that has been parsed the values of the
// environment and of the configuration file, where the command line has none.
func configure(flags *pflag.FlagSet, environ []string) (*settings, error) {
	s := &settings{flags: flags, given: make(map[string][]string), origin: make(map[string]string)}
	flags.Visit(func(f *pflag.Flag) {
		s.given[f.Name] = valuesOf(f)
		s.origin[f.Name] = commandLine
	})
	if err := s.fromEnvironment(environ); err != nil {
		return nil, err
	}
	return s, s.fromFile()
}

// again returns the settings as they are now for other flags of the same command:
// the command line is what it was, the rest is read anew.
func (s *settings) again(flags *pflag.FlagSet, environ []string) (*settings, error) {
	for name, values := range s.given {
		for _, v := range values {
			if err := flags.Set(name, v); err != nil {
				return nil, err
			}
		}
	}
	return configure(flags, environ)
}

// fromEnvironment takes HOLDFAST_MAXPEERS for --maxpeers, and so on. Where a flag
// can be given several times, commas separate the values.
func (s *settings) fromEnvironment(environ []string) error {
	values := make(map[string]string)
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		name, ours := strings.CutPrefix(name, envPrefix)
		name = strings.ToLower(name)
		switch {
		case !ours:
		case s.usable(name) == nil:
			s.unused = append(s.unused, envPrefix+strings.ToUpper(name))
		default:
			values[name] = value
		}
	}
	slices.Sort(s.unused)
	taken := s.taken()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if taken(name) {
			continue
		}
		variable := envPrefix + strings.ToUpper(name)
		list := []string{values[name]}
		if isList(s.flags.Lookup(name)) {
			list = strings.Split(values[name], ",")
		}
		for _, v := range list {
			v = strings.TrimSpace(v)
			if err := s.set(name, v, variable); err != nil {
				return usagef("%s %q: %w", variable, v, err)
			}
		}
	}
	return nil
}

// fromFile reads the configuration file. There must be one only if it was asked
// for.
func (s *settings) fromFile() error {
	path := s.flags.Lookup(confFlag).Value.String()
	asked := path != ""
	if !asked {
		path = filepath.Join(s.flags.Lookup("datadir").Value.String(), confFileName)
	}
	lines, err := readConf(path)
	switch {
	case !asked && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)):
		return nil
	case err != nil:
		return usagef("configuration file %w", err)
	}
	for _, l := range lines {
		if err := s.check(l); err != nil {
			return usagef("%s:%d: %w", path, l.line, err)
		}
	}
	return s.take(path, lines)
}

// take takes the values of the lines of a file. The settings for all networks come
// first: they may say which it is.
func (s *settings) take(path string, lines []confLine) error {
	taken := s.taken()
	network := ""
	for _, own := range []bool{false, true} {
		for _, l := range lines {
			if (l.section == "" || l.section == allNetworks) == own || own && l.section != network || l.key == "" || taken(l.key) {
				continue
			}
			if err := s.set(l.key, l.value, fmt.Sprintf("%s:%d", path, l.line)); err != nil {
				return usagef("%s:%d: %s %q: %w", path, l.line, l.key, l.value, err)
			}
		}
		network = s.network()
	}
	return nil
}

// check refuses a line of a configuration file that can never hold.
func (s *settings) check(l confLine) error {
	switch {
	case l.section != "" && l.section != allNetworks && !slices.Contains(networkNames(), l.section):
		return fmt.Errorf("there is no section [%s]; there are [Application Options] and [%s]", l.section, strings.Join(networkNames(), "], ["))
	case l.key == "":
	case l.key == confFlag:
		return fmt.Errorf("%s cannot stand in a configuration file", confFlag)
	case s.usable(l.key) == nil:
		return fmt.Errorf("there is no setting %.60q", l.key)
	case l.section != "" && l.section != allNetworks && isNetworkFlag(l.key):
		return fmt.Errorf("%s chooses a network, and cannot stand in the section of one", l.key)
	}
	return nil
}

// usable returns the flag of a name, if it is one that can be set other than on the
// command line.
func (s *settings) usable(name string) *pflag.Flag {
	if name == "help" || name == "dumpconfig" {
		return nil
	}
	return s.flags.Lookup(name)
}

// taken returns whether a name was set in a place of more weight than those that
// are read from now on. The flags that choose a network count as one.
func (s *settings) taken() func(name string) bool {
	before := make(map[string]bool)
	networkTaken := false
	for name := range s.origin {
		before[name] = true
		networkTaken = networkTaken || isNetworkFlag(name)
	}
	return func(name string) bool { return before[name] || networkTaken && isNetworkFlag(name) }
}

// set sets a value. Its error says what is wrong with that, not whose it is.
func (s *settings) set(name, value, origin string) error {
	if err := s.flags.Set(name, value); err != nil {
		var wrong *pflag.InvalidValueError
		if errors.As(err, &wrong) {
			return plainValueError(wrong)
		}
		return err
	}
	if before := s.origin[name]; before != "" && before != origin {
		origin = before + ", " + origin
	}
	s.origin[name] = origin
	return nil
}

// plainValueError says why a value cannot be one of its flag, in the operator's words.
func plainValueError(wrong *pflag.InvalidValueError) error {
	kind := wrong.GetFlag().Value.Type()
	switch {
	case errors.Is(wrong, strconv.ErrRange):
		return errors.New("the number is too large")
	case kind == "bool":
		return errors.New("it must be true or false")
	case strings.HasPrefix(kind, "uint"):
		return errors.New("it must be a number, from 0 on")
	case kind == "int":
		return errors.New("it must be a number")
	}
	return wrong.Unwrap()
}

// blame returns err, but what begins with a flag, as "--maxpeers 0: ...", begins with
// the place instead that the flag's value stands in, unless that is the command line.
func (s *settings) blame(err error) error {
	var usage usageError
	if !errors.As(err, &usage) {
		return err
	}
	text, isFlag := strings.CutPrefix(usage.Error(), "--")
	name := text[:max(0, strings.IndexAny(text, " :"))]
	origin := s.origin[name]
	if !isFlag || origin == "" || origin == commandLine {
		return err
	}
	return usagef("%s: %s", origin, text)
}

// text returns the value of a setting, or "empty".
func (s *settings) text(name string) string {
	return cmp.Or(strings.Join(valuesOf(s.flags.Lookup(name)), ", "), "empty")
}

// from says where the value of a setting comes from.
func (s *settings) from(name string) string { return cmp.Or(s.origin[name], "default") }

// network returns the name of the network that is chosen.
func (s *settings) network() string {
	for _, n := range networks {
		if f := s.flags.Lookup(n.name); f != nil && f.Value.String() == "true" {
			return n.name
		}
	}
	return mainnet
}

// dump writes what holds as a configuration file, with comments that say where it
// comes from.
func (s *settings) dump(w io.Writer) error {
	var b strings.Builder
	s.flags.VisitAll(func(f *pflag.Flag) {
		if s.usable(f.Name) == nil || f.Name == confFlag {
			return
		}
		fmt.Fprintf(&b, "; %s\n", s.from(f.Name))
		values := valuesOf(f)
		secret := slices.Contains(secretFlags, f.Name) && f.Value.String() != ""
		for _, v := range values {
			if secret {
				fmt.Fprintf(&b, "; it is set, and not shown\n;%s=\n", f.Name)
			} else {
				fmt.Fprintf(&b, "%s=%s\n", f.Name, quoted(v))
			}
		}
		if len(values) == 0 {
			fmt.Fprintf(&b, ";%s=\n", f.Name)
		}
	})
	for _, v := range s.unused {
		fmt.Fprintf(&b, "; %s in the environment is no setting\n", v)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// quoted returns a value as a configuration file has it: in quotes where it would mean
// something else without.
func quoted(value string) string {
	if strings.HasPrefix(value, `"`) || strings.TrimSpace(value) != value || strings.ContainsAny(value, "\r\n") {
		return strconv.Quote(value)
	}
	return value
}

// changed returns the settings in which s and other differ.
func (s *settings) changed(other *settings) (names []string) {
	s.flags.VisitAll(func(f *pflag.Flag) {
		if s.usable(f.Name) != nil && !slices.Equal(valuesOf(f), valuesOf(other.flags.Lookup(f.Name))) {
			names = append(names, f.Name)
		}
	})
	return names
}

// valuesOf returns what a flag is set to.
func valuesOf(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

func isList(f *pflag.Flag) bool {
	_, ok := f.Value.(pflag.SliceValue)
	return ok
}
