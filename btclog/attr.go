package btclog

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"
)

// badKey is the key of a value that came without one, as in log/slog.
const badKey = "!BADKEY"

// appendList appends attributes as log/slog takes them: keys with values, and
// Attrs.
func (b *Backend) appendList(p []byte, group string, list []any) []byte {
	for len(list) > 0 {
		switch x := list[0].(type) {
		case slog.Attr:
			p = b.appendAttr(p, group, x.Key, x.Value)
			list = list[1:]
		case string:
			if len(list) == 1 {
				return b.appendAttr(p, group, badKey, slog.StringValue(x))
			}
			p = b.appendPair(p, group, x, list[1])
			list = list[2:]
		default:
			p = b.appendAttr(p, group, badKey, slog.AnyValue(x))
			list = list[1:]
		}
	}
	return p
}

// appendPair appends a key and a value; the values that are most common without making
// a slog.Value of them.
func (b *Backend) appendPair(p []byte, group, key string, v any) []byte {
	switch v := v.(type) {
	case string:
		return b.appendString(b.appendKey(p, group, key), v)
	case bool:
		return strconv.AppendBool(b.appendKey(p, group, key), v)
	case int:
		return strconv.AppendInt(b.appendKey(p, group, key), int64(v), 10)
	case int64:
		return strconv.AppendInt(b.appendKey(p, group, key), v, 10)
	case uint64:
		return strconv.AppendUint(b.appendKey(p, group, key), v, 10)
	case uint32:
		return strconv.AppendUint(b.appendKey(p, group, key), uint64(v), 10)
	case float64:
		return b.appendFloat(b.appendKey(p, group, key), v)
	case time.Duration:
		return b.appendDuration(b.appendKey(p, group, key), v)
	}
	return b.appendAttr(p, group, key, slog.AnyValue(v))
}

// appendAttrs appends attributes.
func (b *Backend) appendAttrs(p []byte, group string, attrs []slog.Attr) []byte {
	for i := range attrs {
		p = b.appendAttr(p, group, attrs[i].Key, attrs[i].Value)
	}
	return p
}

// appendAttr appends one. group is empty or ends in a dot. The attributes in a group
// are written as group.key=value, an empty Attr and an empty group are not written,
// and a group without a name is not seen: the rules of log/slog.
func (b *Backend) appendAttr(p []byte, group, key string, v slog.Value) []byte {
	kind := v.Kind()
	switch kind {
	case slog.KindLogValuer:
		return b.appendAttr(p, group, key, v.Resolve())
	case slog.KindGroup:
		if key != "" {
			group += key + "."
		}
		return b.appendAttrs(p, group, v.Group())
	case slog.KindAny:
		if key == "" && v.Any() == nil {
			return p
		}
	}
	p = b.appendKey(p, group, key)
	switch kind {
	case slog.KindInt64:
		return strconv.AppendInt(p, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(p, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(p, v.Bool())
	case slog.KindFloat64:
		return b.appendFloat(p, v.Float64())
	case slog.KindString:
		return b.appendString(p, v.String())
	case slog.KindDuration:
		return b.appendDuration(p, v.Duration())
	case slog.KindTime:
		return b.appendTime(p, v.Time())
	}
	return b.appendAny(p, v.Any())
}

// appendKey appends what stands before a value.
func (b *Backend) appendKey(p []byte, group, key string) []byte {
	if b.json {
		p = append(p, ',', '"')
		p = appendJSON(p, group)
		p = appendJSON(p, key)
		return append(p, '"', ':')
	}
	p = append(p, ' ')
	start := len(p)
	p = append(p, group...)
	p = append(p, key...)
	p = append(quoteTail(p, start), '=')
	if b.styledKey != nil {
		styled := b.styledKey(string(p[start:]))
		p = append(p[:start], styled...)
	}
	return p
}

// appendString appends a value, quoted as it must be.
func (b *Backend) appendString(p []byte, s string) []byte {
	if b.json {
		p = append(p, '"')
		return append(appendJSON(p, s), '"')
	}
	start := len(p)
	return quoteTail(append(p, s...), start)
}

// appendFloat appends a number; JSON has none for infinity and the like.
func (b *Backend) appendFloat(p []byte, f float64) []byte {
	if b.json && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return b.appendString(p, strconv.FormatFloat(f, 'g', -1, 64))
	}
	return strconv.AppendFloat(p, f, 'g', -1, 64)
}

// appendDuration appends a duration, whose text is one word.
func (b *Backend) appendDuration(p []byte, d time.Duration) []byte {
	if b.json {
		return b.appendString(p, d.String())
	}
	return append(p, d.String()...)
}

// appendTime appends a time: in JSON as that has it.
func (b *Backend) appendTime(p []byte, t time.Time) []byte {
	if b.json {
		p = append(p, '"')
		return append(t.AppendFormat(p, time.RFC3339Nano), '"')
	}
	return b.appendString(p, t.String())
}

// appendAny appends a value of any other type: in JSON as that has it, else what fmt
// makes of it with %+v.
func (b *Backend) appendAny(p []byte, v any) []byte {
	if b.json {
		if text, ok := marshal(v); ok {
			return appendJSONDocument(p, text)
		}
		p = append(p, '"')
	}
	start := len(p)
	q, ok := appendMethod(p, 'v', v)
	if !ok {
		q = fmt.Appendf(p, "%+v", v)
	}
	if b.json {
		return append(jsonTail(q, start), '"')
	}
	return quoteTail(q, start)
}
