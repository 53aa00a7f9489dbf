package btclog

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Flags of a backend, and of the environment variable LOGFLAGS.
const (
	// Llongfile adds the full path and line of the call: /a/b/c/main.go:123.
	Llongfile uint32 = 1 << iota

	// Lshortfile adds the name and line of the file: main.go:123. It wins over
	// Llongfile.
	Lshortfile
)

// defaultFlags is what LOGFLAGS said when the program began.
var defaultFlags = parseFlags(os.Getenv("LOGFLAGS"))

// parseFlags knows the words longfile and shortfile, separated by commas, and
// ignores all others. Nothing is trimmed, as in btcsuite's.
func parseFlags(env string) (flags uint32) {
	for word := range strings.SplitSeq(env, ",") {
		switch word {
		case "longfile":
			flags |= Llongfile
		case "shortfile":
			flags |= Lshortfile
		}
	}
	return flags
}

// caller returns the program counter of the function that is skip calls above the
// caller of caller, 0 if there is none.
func caller(skip int) uintptr {
	var pcs [1]uintptr
	runtime.Callers(skip+2, pcs[:])
	return pcs[0]
}

// callsite returns the place that pc stands for.
func callsite(pc uintptr, flags uint32) (file string, line int) {
	if pc == 0 {
		return "???", 0
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if frame.File == "" {
		return "???", 0
	}
	if flags&Lshortfile == 0 {
		return frame.File, frame.Line
	}
	return baseName(frame.File), frame.Line
}

func baseName(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if os.IsPathSeparator(path[i]) {
			return path[i+1:]
		}
	}
	return path
}

// appendCallsite appends a blank and the place that pc stands for.
func (b *Backend) appendCallsite(p []byte, pc uintptr) []byte {
	file, line := callsite(pc, b.flags)
	if b.json {
		p = append(p, `,"source":"`...)
		p = appendJSON(p, file)
		p = append(p, ':')
		p = strconv.AppendInt(p, int64(line), 10)
		return append(p, '"')
	}
	p = append(p, ' ')
	if b.styledCallSite != nil {
		return append(p, b.styledCallSite(file, line)...)
	}
	p = appendEscaped(p, file)
	p = append(p, ':')
	return strconv.AppendInt(p, int64(line), 10)
}
