package btclog

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// Operands that fmt treats each in its own way. Those with methods say when they are
// called: once, as fmt does.
type (
	namedInt      int
	namedString   string
	namedBytes    []byte
	namedBool     bool
	valueStringer struct{}
	valueError    struct{}
	both          struct{}
	formatter     struct{}
	goStringer    struct{}
	panicsOnce    struct{}
	panicsWith    struct{ value any }
	failsWith     struct{ value any }
	formatPanics  struct{}
	stringInt     int
	embedded      struct{ *time.Location }
	hidden        struct{ s fmt.Stringer }
	shown         struct{ S, E any }
)

func (v valueStringer) String() string { called("String"); return "text" }
func (v valueError) Error() string     { called("Error"); return "err\n" }
func (b both) Error() string           { called("both.Error"); return "error" }
func (b both) String() string          { called("both.String"); return "string" }

func (f formatter) Format(s fmt.State, verb rune) {
	called("Format")
	wid, hasWid := s.Width()
	fmt.Fprint(s, string(verb), s.Flag('+'), wid, hasWid)
}
func (formatter) Error() string       { return "never at a verb" }
func (formatter) String() string      { return "never at a verb" }
func (g goStringer) GoString() string { called("GoString"); return "go" }
func (p panicsOnce) String() string {
	called("panicsOnce")
	if len(calls) == 1 {
		panic("the first time")
	}
	return "not the first time"
}
func (p panicsWith) String() string         { panic(p.value) }
func (f failsWith) Error() string           { panic(f.value) }
func (formatPanics) Format(fmt.State, rune) { panic("format") }
func (s stringInt) String() string          { return fmt.Sprintf("<%d>", int(s)) }

var (
	anInt    = 7
	aPointer = &anInt
	aStruct  = &sample{1, "x"}
	aChannel = make(chan int)
	nobody   *netip.Addr
)

// calls are those that methods have noted.
var calls []string

func called(method string) { calls = append(calls, method) }

var operands = []any{
	nil,
	"text",
	"",
	"\xff%d\n",
	true,
	int(-1),
	int8(math.MinInt8),
	int16(math.MinInt16),
	int32('x'),
	int64(math.MinInt64),
	uint(math.MaxUint),
	uint8('x'),
	uint16(math.MaxUint16),
	uint32(math.MaxUint32),
	uint64(math.MaxUint64),
	uintptr(1),
	float32(0.1),
	1e21,
	math.Inf(1),
	complex(1, -2),
	[]byte("bytes"),
	[]byte(nil),
	[3]byte{1, 2, 3},
	namedInt(5),
	namedString("named"),
	namedBytes("named"),
	namedBool(true),
	[]string{"a", "b"},
	[]any{1, nil, "x", stringInt(1)},
	map[string]int{"a": 1, "b": 2},
	aStruct,
	*aStruct,
	aPointer,
	(*int)(nil),
	aChannel,
	(func())(nil),
	unsafe.Pointer(aPointer),
	time.Second,
	noon,
	errFull,
	fmt.Errorf("outer: %w", errFull),
	errors.Join(errFull, errFull),
	stringInt(3),
	netip.MustParseAddr("2001:db8::1"),
	nobody,
	(*time.Location)(nil),
	embedded{},
	&embedded{},
	(*embedded)(nil),
	reflect.ValueOf(3),
	reflect.ValueOf(stringInt(3)),
	reflect.Value{},
	reflect.TypeFor[int](),
	formatPanics{},
	panicsWith{"text"},
	panicsWith{errFull},
	panicsWith{nil},
	panicsWith{panicsWith{"twice"}},
	failsWith{7},
	failsWith{failsWith{"twice"}},
	&failsWith{aStruct},
	(*failsWith)(nil),
	valueStringer{},
	valueError{},
	both{},
	formatter{},
	goStringer{},
	panicsOnce{},
	hidden{valueStringer{}},
	shown{valueStringer{}, valueError{}},
	[]any{panicsOnce{}},
}

// outcome is what write appends to nothing, the methods that it calls, and its panic.
func outcome(which []byte, write func(args []any) string) (s string) {
	calls = nil
	args := make([]any, len(which))
	for i, n := range which {
		args[i] = operands[int(n)%len(operands)]
	}
	defer func() {
		if r := recover(); r != nil {
			s = fmt.Sprintf("panic: %T", r)
		}
		s += fmt.Sprint(" called: ", calls)
	}()
	return write(args)
}

// sameAsFmt compares with fmt.
func sameAsFmt(t *testing.T, format string, which []byte) {
	t.Helper()
	const head = "head"
	for _, room := range []int{0, 1000} {
		p := append(make([]byte, 0, len(head)+room), head...)
		got := outcome(which, func(args []any) string { return string(appendFormat(p, format, args)) })
		want := outcome(which, func(args []any) string { return head + fmt.Sprintf(format, args...) })
		if got != want {
			t.Errorf("%q, operands %v:\n got %q\nwant %q", format, which, got, want)
		}
		got = outcome(which, func(args []any) string { return string(appendOperands(p, "", args)) })
		want = outcome(which, func(args []any) string { return head + strings.TrimSuffix(fmt.Sprintln(args...), "\n") })
		if got != want {
			t.Errorf("operands %v:\n got %q\nwant %q", which, got, want)
		}
	}
}

// Each verb with each operand, and formats with too many operands, too few, and all
// that is not plain, before and after what is.
func TestFormatIsFmts(t *testing.T) {
	formats := []string{
		"", "text", "%", "x%", "%%", "100%% %v", "%!", "%ä", "%\xff", "%v", "%s", "%d", "%t", "%x", "%X", "%q", "%w", "%T", "%p",
		"%c", "%U", "%e", "%g", "%b", "%o", "%O", "%z", "%+v", "%#v", "% d", "%05d", "%-8s|", "%8v|", "%.2f", "%.1s", "%*d", "%.*f",
		"%v %v", "%s, %d (%v)", "%v %+v %v", "%v %.1f %d", "%v%%%s", "%v %[1]v", "%[2]v %v", "[%v] %s", "%v %", "%v %!", "%d%d%d%d",
		"%v\n", "%s\n\n", "% %", "%+%", "%-%v",
	}
	for _, format := range formats {
		for i := range operands {
			one := byte(i)
			for _, which := range [][]byte{nil, {one}, {one, one}, {1, one}, {one, 5}, {4, one, 1, one}} {
				sameAsFmt(t, format, which)
			}
		}
	}
}

// FuzzFormat: any format with any operands.
func FuzzFormat(f *testing.F) {
	f.Add("New valid peer %s (%s), version %d, height %d, relay %v", []byte{1, 1, 5, 9, 4})
	f.Add("%v %+v %[1]d %%%", []byte{62, 63, 64, 65})
	for i := range operands {
		f.Add("%v %s %d|%x", []byte{byte(i), byte(i), byte(i), byte(i)})
	}
	f.Fuzz(func(t *testing.T, format string, which []byte) {
		if len(which) > 20 || hasHugeNumber(format) {
			t.Skip()
		}
		sameAsFmt(t, format, which)
	})
}

// hasHugeNumber keeps fmt from padding to a million.
func hasHugeNumber(format string) bool {
	digits := 0
	return slices.ContainsFunc([]byte(format), func(c byte) bool {
		if c < '0' || c > '9' {
			digits = 0
			return false
		}
		digits++
		return digits > 3
	})
}
