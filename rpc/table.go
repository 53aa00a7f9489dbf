package rpc

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// method is one method of the API. Its help and the checks of its arguments are made of
// this.
type method struct {
	name    string
	group   string // in the listing of help
	summary string // one or more lines
	params  []param
	result  string // what is answered, in one or more lines
	run     func(*call) (any, error)
}

// table returns all methods by name.
func table() map[string]*method {
	all := make(map[string]*method)
	for _, group := range []struct {
		name string
		list []method
	}{
		{"Control", controlMethods()},
		{"Network", networkMethods()},
		{"Peers", peerMethods()},
		{"Bans", banMethods()},
		{"Holdfast", ourMethods()},
	} {
		for i := range group.list {
			m := &group.list[i]
			m.group = group.name
			if all[m.name] != nil {
				panic("rpc: two methods are called " + m.name)
			}
			all[m.name] = m
		}
	}
	return all
}

// usage is the method with its parameters, as "setban "subnet" "command" ( bantime )".
func (m *method) usage() string {
	var b strings.Builder
	b.WriteString(m.name)
	open := false
	for _, p := range m.params {
		if !p.required && !open {
			b.WriteString(" (")
			open = true
		}
		if p.kinds == kindString {
			fmt.Fprintf(&b, " %q", p.name)
		} else {
			b.WriteString(" " + p.name)
		}
	}
	if open {
		b.WriteString(" )")
	}
	return b.String()
}

// help is all there is to say of a method.
func (m *method) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", m.usage(), m.summary)
	if len(m.params) > 0 {
		b.WriteString("\nArguments:\n")
		for i, p := range m.params {
			need := "optional"
			if p.required {
				need = "required"
			}
			fmt.Fprintf(&b, "%d. %-13s (%s, %s) %s\n", i+1, p.name, p.kinds, need, p.help)
		}
	}
	fmt.Fprintf(&b, "\nResult:\n%s\n", m.result)
	return b.String()
}

// listing is the help of all methods, one line each.
func listing(methods map[string]*method) string {
	byGroup := make(map[string][]string)
	for _, m := range methods {
		byGroup[m.group] = append(byGroup[m.group], m.usage())
	}
	var parts []string
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		lines := byGroup[group]
		slices.Sort(lines)
		parts = append(parts, "== "+group+" ==\n"+strings.Join(lines, "\n"))
	}
	return strings.Join(parts, "\n\n")
}
