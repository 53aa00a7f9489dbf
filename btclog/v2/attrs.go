package btclog

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// Hex is an attribute with value in hexadecimal.
func Hex(key string, value []byte) slog.Attr {
	return slog.String(key, hex.EncodeToString(value))
}

// Hex2 is Hex of the first 2 bytes.
func Hex2(key string, value []byte) slog.Attr { return HexN(key, value, 2) }

// Hex3 is Hex of the first 3 bytes.
func Hex3(key string, value []byte) slog.Attr { return HexN(key, value, 3) }

// Hex6 is Hex of the first 6 bytes.
func Hex6(key string, value []byte) slog.Attr { return HexN(key, value, 6) }

// HexN is Hex of the first n bytes, or of all if there are no more.
func HexN(key string, value []byte, n uint) slog.Attr {
	return Hex(key, value[:min(uint(len(value)), n)])
}

// Fmt is an attribute whose value is formatted only if it is written. The params must
// not change before the call that logs it returns.
func Fmt(key, msg string, params ...any) slog.Attr {
	return slog.Any(key, Sprintf(msg, params...))
}

// ClosureAttr is an attribute whose value is computed only if it is written.
func ClosureAttr(key string, compute func() string) slog.Attr {
	return slog.Any(key, NewClosure(compute))
}

// Closure is a function that is called when its text is wanted.
type Closure func() string

// String calls the function.
func (c Closure) String() string { return c() }

// NewClosure returns compute as a Closure.
func NewClosure(compute func() string) Closure { return compute }

// Sprintf returns a Stringer that formats only when its text is wanted.
func Sprintf(msg string, params ...any) fmt.Stringer {
	return NewClosure(func() string { return fmt.Sprintf(msg, params...) })
}

type ctxKey struct{}

// WithCtx returns a context whose attributes are those of ctx and attrs after them;
// the methods ending in S write them. Contexts made from the same one have nothing in
// common but what it had. A key without a value keeps its place: it is written as
// !BADKEY.
func WithCtx(ctx context.Context, attrs ...any) context.Context {
	if len(attrs) == 0 {
		return ctx
	}
	before := fromCtx(ctx)
	all := make([]any, 0, len(before)+len(attrs))
	return context.WithValue(ctx, ctxKey{}, append(append(all, before...), complete(attrs)...))
}

// complete makes an Attr of a key without a value at the end of a list, which would
// otherwise take the next list's first key for its value.
func complete(attrs []any) []any {
	for i := 0; i < len(attrs); i++ {
		key, ok := attrs[i].(string)
		if !ok {
			continue
		}
		if i+1 == len(attrs) {
			return append(attrs[:i:i], slog.String("!BADKEY", key))
		}
		i++
	}
	return attrs
}

// fromCtx returns the attributes of a context. Nil contexts, which log/slog allows,
// have none.
func fromCtx(ctx context.Context) []any {
	if ctx == nil {
		return nil
	}
	attrs, _ := ctx.Value(ctxKey{}).([]any)
	return attrs
}

// errList is err as a list of attributes.
func errList(err error) []any {
	if err == nil {
		return nil
	}
	return []any{slog.Any("err", message{err})}
}

// message is an error by its Error method alone, as btclog v2 writes it: not by
// Format, which may add a stack.
type message struct{ err error }

func (m message) Error() string { return m.err.Error() }
