package rpc

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// kinds is a set of JSON types.
type kinds uint8

const (
	kindString kinds = 1 << iota
	kindNumber
	kindBool
	kindArray
	kindObject

	// kindLoose also takes a number or a truth as a string: bitcoin-cli sends the
	// arguments of calls that it does not know as strings.
	kindLoose
)

var kindNames = []string{"string", "number", "bool", "array", "object"} // as Core names them

// String returns what is wanted, as "string or bool".
func (k kinds) String() string {
	var names []string
	for i, name := range kindNames {
		if k&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// kindOf returns the type of a valid value that is not null.
func kindOf(v json.RawMessage) kinds {
	switch v[0] {
	case '"':
		return kindString
	case 't', 'f':
		return kindBool
	case '[':
		return kindArray
	case '{':
		return kindObject
	}
	return kindNumber
}

// param is a parameter of a method.
type param struct {
	name     string
	kinds    kinds
	required bool
	help     string // one line
}

// args are the arguments of a call, one for each parameter, checked for their types;
// nil where there is none.
type args []json.RawMessage

// bind brings the arguments of a call to the parameters of its method: those in an
// array by position, those in an object by name, and those in the object's "args" by
// position too (as Core's transformNamedArguments).
func (m *method) bind(params json.RawMessage) (args, *Error) {
	var given []json.RawMessage
	if params != nil && params[0] == '{' {
		var e *Error
		if given, e = m.named(params); e != nil {
			return nil, e
		}
	} else if params != nil && json.Unmarshal(params, &given) != nil {
		return nil, &Error{CodeInvalidRequest, "Params must be an array or object"}
	}
	if len(given) > len(m.params) {
		return nil, &Error{CodeMisc, m.help()}
	}
	a := make(args, len(m.params))
	var wrong []string
	for i, p := range m.params {
		if i < len(given) && !isNull(given[i]) {
			a[i] = given[i]
		}
		switch {
		case a[i] == nil && p.required:
			return nil, &Error{CodeMisc, m.help()}
		case a[i] == nil:
		case p.kinds&kindOf(a[i]) != 0:
		case p.kinds&kindLoose != 0 && kindOf(a[i]) == kindString:
			var text string
			_ = json.Unmarshal(a[i], &text) // it is a string
			loose := json.RawMessage(strings.TrimSpace(text))
			if !json.Valid(loose) || p.kinds&kindOf(loose) == 0 {
				return nil, fail(CodeParameter, "%s: %q is no %s", p.name, text, p.kinds)
			}
			a[i] = loose
		default:
			wrong = append(wrong, fmt.Sprintf("    %q: %q", fmt.Sprintf("Position %d (%s)", i+1, p.name),
				fmt.Sprintf("JSON value of type %s is not of expected type %s", kindOf(a[i]), p.kinds)))
		}
	}
	if wrong != nil {
		return nil, &Error{CodeType, "Wrong type passed:\n{\n" + strings.Join(wrong, ",\n") + "\n}"}
	}
	return a, nil
}

// named brings arguments in an object into order.
func (m *method) named(params json.RawMessage) ([]json.RawMessage, *Error) {
	var byName map[string]json.RawMessage
	if json.Unmarshal(params, &byName) != nil {
		return nil, &Error{CodeInvalidRequest, "Params must be an array or object"}
	}
	given := make([]json.RawMessage, len(m.params))
	positional := 0
	if list, ok := byName["args"]; ok {
		var front []json.RawMessage
		if json.Unmarshal(list, &front) != nil {
			return nil, &Error{CodeParameter, "Parameter args must be an array"}
		}
		if len(front) > len(given) {
			return nil, &Error{CodeMisc, m.help()}
		}
		positional = copy(given, front)
		delete(byName, "args")
	}
	for name, value := range byName {
		i := slices.IndexFunc(m.params, func(p param) bool { return p.name == name })
		switch {
		case i < 0:
			return nil, fail(CodeParameter, "Unknown named parameter %s", name)
		case i < positional:
			return nil, fail(CodeParameter, "Parameter %s specified twice both as positional and named argument", name)
		}
		given[i] = value
	}
	return given, nil
}

// has reports whether an argument was given.
func (a args) has(i int) bool { return a[i] != nil }

// is reports whether an argument was given and is of a type.
func (a args) is(i int, k kinds) bool { return a[i] != nil && kindOf(a[i])&k != 0 }

// text returns an argument that is a string, "" if it was not given.
func (a args) text(i int) (s string) {
	if a.has(i) {
		_ = json.Unmarshal(a[i], &s) // its type is checked
	}
	return s
}

// truth returns an argument that is true or false.
func (a args) truth(i int, otherwise bool) bool {
	if !a.has(i) {
		return otherwise
	}
	return a[i][0] == 't'
}

// number returns an argument that is a whole number within bounds.
func (a args) number(m *method, i int, otherwise, least, most int64) (int64, error) {
	if !a.has(i) {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(string(a[i]), 10, 64)
	if err != nil || n < least || n > most {
		return 0, fail(CodeParameter, "%s: %s is no whole number %s", m.params[i].name, a[i], span(least, most))
	}
	return n, nil
}

// span says what a number may be.
func span(least, most int64) string {
	switch {
	case least == math.MinInt64 && most == math.MaxInt64:
		return "of 64 bits"
	case most == math.MaxInt64:
		return fmt.Sprintf("from %d on", least)
	}
	return fmt.Sprintf("from %d to %d", least, most)
}
