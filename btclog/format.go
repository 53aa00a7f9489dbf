package btclog

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Formatting a message is most of the work of writing a line, and nearly all that
// messages are made of are texts and whole numbers at a plain %v, %s or %d. Those are
// appended here, in about half the time that fmt takes; fmt does all else. The text is
// fmt's to the byte: FuzzFormat compares.

// appendFormat is fmt.Appendf. From the first thing on that is not plain (a flag, a
// width, a verb that does not fit, a missing argument) fmt does the rest.
func appendFormat(p []byte, format string, args []any) []byte {
	if strings.IndexByte(format, '[') >= 0 { // it may be %[1]d, which counts from the first
		return fmt.Appendf(p, format, args...)
	}
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 && len(args) == 0 {
			return append(p, format...)
		}
		if i < 0 || i+1 == len(format) {
			break
		}
		p, format = append(p, format[:i]...), format[i:]
		if verb := format[1]; verb == '%' {
			p = append(p, '%')
		} else {
			if len(args) == 0 {
				break
			}
			var ok bool
			if p, ok = appendArg(p, verb, args[0]); !ok {
				break
			}
			args = args[1:]
		}
		format = format[2:]
	}
	return fmt.Appendf(p, format, args...)
}

// appendOperands is fmt.Appendln without the line feed. There is no format; the place for
// one is appendFormat's.
func appendOperands(p []byte, _ string, args []any) []byte {
	for i := range args {
		if i > 0 {
			p = append(p, ' ')
		}
		var ok bool
		if p, ok = appendArg(p, 'v', args[i]); !ok {
			p = fmt.Append(p, args[i:i+1]...)
		}
	}
	return p
}

// appendArg appends arg as fmt does at a verb without flags, or nothing if that is not
// plain.
func appendArg(p []byte, verb byte, arg any) (_ []byte, ok bool) {
	switch v := arg.(type) {
	case string:
		if verb == 'v' || verb == 's' {
			return append(p, v...), true
		}
	case []byte:
		if verb == 's' {
			return append(p, v...), true
		}
	case bool:
		if verb == 'v' || verb == 't' {
			return strconv.AppendBool(p, v), true
		}
	case int:
		return appendInt(p, verb, int64(v))
	case int8:
		return appendInt(p, verb, int64(v))
	case int16:
		return appendInt(p, verb, int64(v))
	case int32:
		return appendInt(p, verb, int64(v))
	case int64:
		return appendInt(p, verb, v)
	case uint:
		return appendUint(p, verb, uint64(v))
	case uint8:
		return appendUint(p, verb, uint64(v))
	case uint16:
		return appendUint(p, verb, uint64(v))
	case uint32:
		return appendUint(p, verb, uint64(v))
	case uint64:
		return appendUint(p, verb, v)
	default:
		if verb == 'v' || verb == 's' {
			return appendMethod(p, verb, arg)
		}
	}
	return p, false
}

func appendInt(p []byte, verb byte, i int64) (_ []byte, ok bool) {
	if verb != 'v' && verb != 'd' {
		return p, false
	}
	return strconv.AppendInt(p, i, 10), true
}

func appendUint(p []byte, verb byte, u uint64) (_ []byte, ok bool) {
	if verb != 'v' && verb != 'd' {
		return p, false
	}
	return strconv.AppendUint(p, u, 10), true
}

// appendMethod appends what the Error or String method of v returns, as fmt does at %v
// and %s, or nothing if fmt would not call them.
func appendMethod(p []byte, verb byte, v any) (q []byte, ok bool) {
	switch v.(type) {
	case fmt.Formatter, reflect.Value:
		return p, false
	}
	defer func() {
		if r := recover(); r != nil {
			q, ok = appendPanic(p, verb, v, r), true
		}
	}()
	switch v := v.(type) {
	case error:
		return append(p, v.Error()...), true
	case fmt.Stringer:
		return append(p, v.String()...), true
	}
	return p, false
}

// appendPanic appends what fmt makes of v, whose method has panicked with r. The method
// is not called again: something else that panics so is handed to fmt.
func appendPanic(p []byte, verb byte, v, r any) []byte {
	if x := reflect.ValueOf(v); x.Kind() == reflect.Pointer && x.IsNil() {
		return append(p, "<nil>"...)
	}
	var again any = stringPanic{r}
	if _, ok := v.(error); ok {
		again = errorPanic{r}
	}
	return fmt.Appendf(p, string([]byte{'%', verb}), again)
}

type (
	stringPanic struct{ r any }
	errorPanic  struct{ r any }
)

func (s stringPanic) String() string { panic(s.r) }
func (e errorPanic) Error() string   { panic(e.r) }
