package rpc

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// request is one call, of whatever version of JSON-RPC. Bitcoin Core accepts the same
// (JSONRPCRequest::parse in src/rpc/request.cpp): 2.0 where the marker says so, else
// what has no marker or an older one.
type request struct {
	v2     bool
	id     json.RawMessage // as it was sent; nil if there is none
	method string
	params json.RawMessage // an array or an object; nil if there are none
	bad    *Error          // why it is no call
}

// notification reports whether no answer is wanted, which only 2.0 knows.
func (r *request) notification() bool { return r.v2 && r.id == nil && r.bad == nil }

// decode reads the body of a request: one call, or a batch of at most limit.
func decode(body []byte, limit int) (calls []request, batch bool, bad *Error) {
	body = bytes.TrimLeft(body, " \t\r\n")
	switch {
	case len(body) > 0 && body[0] == '[':
		calls, bad = decodeBatch(body, limit)
		return calls, true, bad
	case !json.Valid(body):
		return nil, false, &Error{CodeParse, "Parse error"}
	case body[0] != '{':
		return nil, false, &Error{CodeParse, "Top-level object parse error"}
	}
	return []request{decodeCall(body)}, false, nil
}

func decodeBatch(body []byte, limit int) ([]request, *Error) {
	parse := &Error{CodeParse, "Parse error"}
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		return nil, parse
	}
	var calls []request
	for d.More() {
		if len(calls) == limit {
			return nil, fail(CodeInvalidRequest, "A batch may have at most %d calls", limit)
		}
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return nil, parse
		}
		calls = append(calls, decodeCall(one))
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return nil, parse
	}
	if _, err := d.Token(); err != io.EOF { // nothing behind it
		return nil, parse
	}
	return calls, nil
}

// decodeCall reads one call of valid JSON. The names of its fields are those of the
// map: a struct would take "METHOD" for "method".
func decodeCall(text json.RawMessage) (r request) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		r.bad = &Error{CodeInvalidRequest, "Invalid Request object"}
		return r
	}
	r.id = fields["id"]
	if marker, ok := fields["jsonrpc"]; ok && !isNull(marker) {
		version, e := versionOf(marker)
		if e != nil {
			r.bad = e
			return r
		}
		switch version {
		case "2.0":
			r.v2 = true
		case "1.0", "1.1":
		default:
			r.bad = &Error{CodeInvalidRequest, "JSON-RPC version not supported"}
			return r
		}
	}
	switch method := fields["method"]; {
	case isNull(method):
		r.bad = &Error{CodeInvalidRequest, "Missing method"}
		return r
	case json.Unmarshal(method, &r.method) != nil:
		r.bad = &Error{CodeInvalidRequest, "Method must be a string"}
		return r
	}
	switch params := fields["params"]; {
	case isNull(params):
	case params[0] == '[' || params[0] == '{':
		r.params = params
	default:
		r.bad = &Error{CodeInvalidRequest, "Params must be an array or object"}
	}
	return r
}

// versionOf reads the marker of a version. Core wants a string since 28.0, and took
// anything before; the npm package rpc-bitcoin, and whoever else was written for that,
// sends a number.
func versionOf(marker json.RawMessage) (string, *Error) {
	var text string
	if json.Unmarshal(marker, &text) == nil {
		return text, nil
	}
	var number float64
	if json.Unmarshal(marker, &number) != nil {
		return "", &Error{CodeInvalidRequest, "jsonrpc field must be a string"} // Core's words
	}
	return strconv.FormatFloat(number, 'f', 1, 64), nil
}

// isNull reports whether a value is null or not there.
func isNull(v json.RawMessage) bool { return len(v) == 0 || string(v) == "null" }

// reply writes the answer to a call. The older versions have both result and error,
// one of them null; 2.0 has one.
func (r *request) reply(b *bytes.Buffer, result json.RawMessage, e *Error) {
	b.WriteByte('{')
	if r.v2 {
		b.WriteString(`"jsonrpc":"2.0",`)
	}
	if e == nil {
		b.WriteString(`"result":`)
		b.Write(result)
		if !r.v2 {
			b.WriteString(`,"error":null`)
		}
	} else {
		if !r.v2 {
			b.WriteString(`"result":null,`)
		}
		b.WriteString(`"error":`)
		text, _ := encode(e) // a number and a string
		b.Write(text)
	}
	switch {
	case r.id != nil:
		b.WriteString(`,"id":`)
		b.Write(r.id)
	case r.bad != nil:
		b.WriteString(`,"id":null`) // of what could not be read
	}
	b.WriteByte('}')
}

// status is the HTTP status of the answer to a single call: the older versions show an
// error by it, 2.0 does not (JSONErrorReply in src/httprpc.cpp of Bitcoin Core).
func (r *request) status(e *Error) int {
	switch {
	case e == nil || r.v2:
		return http.StatusOK
	case e.Code == CodeInvalidRequest:
		return http.StatusBadRequest
	case e.Code == CodeNoMethod:
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// encode is json.Marshal, but leaves "<" and its like as they are: nobody puts this
// into a page unescaped.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
