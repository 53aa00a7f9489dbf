package banlist

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
)

// The file is a journal: text, a line for each change, the newest last.
//
//	holdfast banlist 1
//	ban 192.0.2.0/24 1760000000 1760086400 score "flooding addresses" 1f0e7c52
//	ban 2001:db8::7 1760000000 0 operator "" 9a55d0c1
//	unban 192.0.2.0/24 53b0c8de
//
// Times are in Unix seconds: since, and until, where 0 is for ever. The reason is a
// string as Go writes one. At the end of each line is the CRC-32C of what is before
// the last space. So each line can be trusted or not by itself.
const header = "holdfast banlist 1"

// maxLine is the length of the longest line that we read. The longest that we write
// has a reason of which each byte takes four.
const maxLine = 4 * (MaxReason + 100)

// appendBan appends the line of a ban.
func appendBan(b []byte, r record) []byte {
	from := len(b)
	b = append(b, "ban "...)
	b = append(b, r.subject.String()...)
	b = strconv.AppendUint(append(b, ' '), uint64(r.since), 10)
	b = strconv.AppendInt(append(b, ' '), endToText(r.until), 10)
	b = append(append(b, ' '), r.origin.String()...)
	b = strconv.AppendQuote(append(b, ' '), r.reason.Value())
	return appendSum(b, from)
}

// appendUnban appends the line of the end of a ban.
func appendUnban(b []byte, s Subject) []byte {
	from := len(b)
	return appendSum(append(append(b, "unban "...), s.String()...), from)
}

func appendSum(b []byte, from int) []byte {
	sum := checksum(b[from:])
	return append(hex.AppendEncode(append(b, ' '), sum[:]), '\n')
}

func checksum(b []byte) (sum [4]byte) {
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return sum
}

// endToText and endFromText bring an end to the form that files have, and back.
func endToText(until int64) int64 {
	if until == forever {
		return 0
	}
	return until
}

func endFromText(until int64) int64 {
	if until == 0 {
		return forever
	}
	return until
}

var errLine = errors.New("not a line of ours")

// parseLine reads a line without its end. The record has no origin if a ban ended.
func parseLine(line []byte) (record, error) {
	end := len(line) - len(" 00000000")
	if end < 0 || line[end] != ' ' {
		return record{}, errLine
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], line[end+1:]); err != nil || sum != checksum(line[:end]) {
		return record{}, errLine
	}
	verb, rest, _ := strings.Cut(string(line[:end]), " ")
	switch verb {
	case "unban":
		s, err := ParseSubject(rest)
		return record{subject: s}, err
	case "ban":
		return parseBan(strings.SplitN(rest, " ", 5))
	}
	return record{}, errLine
}

func parseBan(fields []string) (record, error) {
	if len(fields) != 5 {
		return record{}, errLine
	}
	s, err := ParseSubject(fields[0])
	if err != nil {
		return record{}, err
	}
	var times [2]int64
	for i := range times {
		if times[i], err = strconv.ParseInt(fields[1+i], 10, 64); err != nil || times[i] < 0 || times[i] == math.MaxInt64 {
			return record{}, errLine
		}
	}
	o, err := ParseOrigin(fields[3])
	if err != nil {
		return record{}, err
	}
	reason, err := strconv.Unquote(fields[4])
	if err != nil {
		return record{}, errLine
	}
	return newRecord(s, reason, o, times[0], endFromText(times[1]))
}
