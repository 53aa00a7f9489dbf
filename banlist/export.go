package banlist

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What our own JSON says of itself.
const (
	formatName    = "holdfast banlist"
	formatVersion = 1
)

// A jsonEntry is an entry of our own JSON. Times are in Unix seconds; an until of 0
// is for ever. All fields must be there.
type jsonEntry struct {
	Subject *string `json:"subject"`
	Origin  *string `json:"origin"`
	Since   *int64  `json:"since"`
	Until   *int64  `json:"until"`
	Reason  *string `json:"reason"`
}

// Export writes the bans in force as JSON, sorted, an entry a line:
//
//	{"format":"holdfast banlist","version":1,"bans":[
//	{"subject":"192.0.2.0/24","origin":"score","since":1760000000,"until":1760086400,"reason":"flooding"}
//	]}
//
// Times are in Unix seconds; an until of 0 is for ever. The errors are those of w.
func (l *List) Export(w io.Writer) error {
	return writeJSON(w, fmt.Sprintf(`{"format":%q,"version":%d,"bans":[`, formatName, formatVersion), l.sorted(),
		func(r record) any {
			subject, origin, reason := r.subject.String(), r.origin.String(), r.reason.Value()
			since, until := int64(r.since), endToText(r.until)
			return jsonEntry{&subject, &origin, &since, &until, &reason}
		})
}

// Import adds the bans of a list that Export wrote, and returns how many were new or
// last longer than what there was. Bans that are over are left out. It takes all or
// nothing: it fails with an *ImportError, which names the entry that is wrong, with
// ErrClosed, or with a *SaveError after all was taken.
//
// What is imported never makes a ban shorter. There is no limit to how long a list
// may be, so it must come from somebody who is trusted.
func (l *List) Import(r io.Reader) (int, error) {
	var all []record
	var format string
	version := 0
	err := readJSON(r, "bans", map[string]any{"format": &format, "version": &version}, func(e jsonEntry) error {
		r, err := e.record()
		all = append(all, r)
		return err
	})
	if err == nil && (format != formatName || version != formatVersion) {
		err = &ImportError{Err: fmt.Errorf("the format is %q, version %d, not %q, version %d",
			format, version, formatName, formatVersion)}
	}
	if err != nil {
		return 0, err
	}
	return l.merge(all)
}

func (e jsonEntry) record() (record, error) {
	if e.Subject == nil || e.Origin == nil || e.Since == nil || e.Until == nil || e.Reason == nil {
		return record{}, errors.New("subject, origin, since, until or reason is missing")
	}
	s, err := ParseSubject(*e.Subject)
	if err != nil {
		return record{}, err
	}
	o, err := ParseOrigin(*e.Origin)
	if err != nil {
		return record{}, err
	}
	return newRecord(s, *e.Reason, o, *e.Since, endFromText(*e.Until))
}

// merge adds records. Of two for one Subject the one that ends later is taken.
func (l *List) merge(all []record) (int, error) {
	now := l.second()
	n := 0
	change, err := l.do(func() {
		l.table.inBulk(func() {
			for _, r := range all {
				if old := l.table.get(r.subject); r.live(now) && (!old.live(now) || old.until < r.until) {
					l.table.put(r)
					n++
				}
			}
		})
		if n > 0 {
			l.makeRoom(0, now)
			l.noteAll()
		}
	})
	if err != nil {
		return 0, err
	}
	return n, l.save(change)
}

// writeJSON writes a list: what comes before the entries, the entries, and the end.
func writeJSON(w io.Writer, head string, all []record, entry func(record) any) error {
	out := bufio.NewWriter(w)
	_, _ = out.WriteString(head) // Flush tells
	for i, r := range all {
		separator := ",\n"
		if i == 0 {
			separator = "\n"
		}
		text, err := json.Marshal(entry(r))
		if err != nil {
			return err
		}
		_, _ = out.WriteString(separator)
		_, _ = out.Write(text)
	}
	_, _ = out.WriteString("\n]}\n")
	return out.Flush()
}

// readJSON reads an object with an array of entries under one key, and other values
// under others. It is strict: no other keys, none twice, the array must be there,
// and nothing may follow. All errors are *ImportErrors.
func readJSON[E any](r io.Reader, array string, others map[string]any, entry func(E) error) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	wrong := func(err error) error {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return &ImportError{Err: err}
	}
	if err := delim(dec, '{'); err != nil {
		return wrong(err)
	}
	seen := make(map[string]bool)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return wrong(err)
		}
		key, _ := t.(string)
		if seen[key] {
			return wrong(fmt.Errorf("%q comes twice", key))
		}
		seen[key] = true
		if into, ok := others[key]; ok {
			if err := dec.Decode(into); err != nil {
				return wrong(fmt.Errorf("%q: %w", key, err))
			}
			continue
		}
		if key != array {
			return wrong(fmt.Errorf("there is a %q, which is not known", key))
		}
		if err := readArray(dec, entry); err != nil {
			var inEntry *ImportError
			if errors.As(err, &inEntry) {
				return err
			}
			return wrong(err)
		}
	}
	if err := delim(dec, '}'); err != nil {
		return wrong(err)
	}
	if !seen[array] {
		return wrong(fmt.Errorf("there is no %q; is it a list of this kind?", array))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return wrong(errors.New("there is more behind the list"))
	}
	return nil
}

func readArray[E any](dec *json.Decoder, entry func(E) error) error {
	if err := delim(dec, '['); err != nil {
		return err
	}
	for n := 1; dec.More(); n++ {
		var e E
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = entry(e)
		}
		if err != nil {
			return &ImportError{Entry: n, Err: err}
		}
	}
	return delim(dec, ']')
}

func delim(dec *json.Decoder, want json.Delim) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("there is %v where %v belongs", t, want)
	}
	return nil
}
