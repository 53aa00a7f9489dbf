package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/rotator"
)

// TestOneOrder: whoever logs at once, both places have the lines in one order.
func TestOneOrder(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 2500 {
				l.infof("%d %d", i, j)
			}
		})
	}
	wg.Wait()
	if got := read(t, l.path); strings.Count(got, "\n") != 10_000 || got != out.String() {
		t.Error("the file and standard output differ")
	}
}

// TestFileFirst: the file has a line before standard output, where it may have to wait.
func TestFileFirst(t *testing.T) {
	var l *logs
	var inFile bool
	l = fileLog(t, writerFunc(func(line []byte) (int, error) {
		inFile = strings.HasSuffix(read(t, l.path), string(line))
		return len(line), nil
	}), nil)
	if l.infof("a line"); !inFile {
		t.Error("standard output had it first")
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// messages are lines without their times.
func messages(lines string) string {
	return regexp.MustCompile(`(?m)^.{23} `).ReplaceAllString(lines, "")
}

// block removes the file and its directory, in whose place a file is.
func block(t *testing.T, l *logs) (dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed here")
	}
	dir = filepath.Dir(l.path)
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lose has the log file take no lines, until find is called. It is for use in a bubble.
func lose(t *testing.T, l *logs) (find func()) {
	t.Helper()
	dir := block(t, l)
	l.reopen()
	synctest.Wait() // what is wrong is told
	return func() {
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		l.reopen()
	}
}

// TestFileTakesNoLines: it is told where it can be read, at once and then once a minute,
// and what is missing when the file is back, in both places.
func TestFileTakesNoLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		l := fileLog(t, &out, nil)
		find := lose(t, l)
		for range 10 * 60 {
			l.infof("a line")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		const alarm = "[ERR] LOGS: The log file takes no lines: not a directory; they are on standard output\n"
		if n := strings.Count(out.String(), alarm); n != 10 {
			t.Errorf("told %d times in 10 minutes", n)
		}
		others := strings.Count(out.String(), "[ERR] LOGS: rotator: ")
		if others != 10 {
			t.Errorf("%d other errors in 10 minutes", others)
		}
		missing := 10*60 + others
		out.b.Reset()
		find()
		want := fmt.Sprintf("[INF] LOGS: Opened the log file again\n[WRN] LOGS: %d lines before this could not be written to the log file\n", missing)
		if got := messages(out.String()); got != want {
			t.Errorf("standard output: %s", got)
		}
		if got := messages(read(t, l.path)); got != want {
			t.Errorf("file: %s", got)
		}
		// Each time it fails anew, and each time somebody asks, it is told at once.
		for range 2 {
			out.b.Reset()
			find = lose(t, l)
			if got := messages(out.String()); !strings.HasSuffix(got, alarm) || strings.Count(got, "\n") != 2 {
				t.Errorf("again: %s", got)
			}
			find()
			time.Sleep(time.Second) // the rotator tells of each kind once a second
		}
	})
}

// TestStdoutFails: the file goes on, and says so at once and then once a minute; when
// standard output takes lines again both are told what it has not.
func TestStdoutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &buffer{}
		l := fileLog(t, out, nil)
		const alarm = "[ERR] LOGS: Standard output takes no lines: broken pipe; they are in this file\n"
		for range 2 {
			before := read(t, l.path)
			out.b.Reset()
			out.set(errors.New("broken pipe"))
			for range 90 {
				l.infof("a line")
				time.Sleep(time.Second)
			}
			out.set(nil)
			l.infof("another line")
			back := "[INF] NODE: another line\n[WRN] LOGS: 90 lines before this could not be written to standard output\n"
			if got := messages(out.String()); got != back {
				t.Errorf("standard output: %s", got)
			}
			aLine := "[INF] NODE: a line\n"
			want := aLine + alarm + strings.Repeat(aLine, 60) + alarm + strings.Repeat(aLine, 29) + back
			if got := messages(strings.TrimPrefix(read(t, l.path), before)); got != want {
				t.Errorf("file: %s", got)
			}
		}
	})
}

// TestStdoutStuckInTheLog: a line that is late is told of when others are lost, and is
// not counted among them: it is there in the end.
func TestStdoutStuckInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		var out bytes.Buffer
		l := fileLog(t, w, nil)
		began := time.Now()
		for _, text := range []string{"late", "lost", "lost, too"} {
			l.infof("%s", text)
		}
		if took := time.Since(began); took != stdoutPatience {
			t.Errorf("the log was held up for %v", took)
		}
		go func() { _, _ = io.Copy(&out, r) }()
		synctest.Wait()
		l.infof("again")
		if err := errors.Join(l.close(), w.Close()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		const back = "[INF] NODE: again\n[WRN] LOGS: 2 lines before this could not be written to standard output\n"
		if got := messages(out.String()); got != "[INF] NODE: late\n"+back {
			t.Errorf("standard output: %s", got)
		}
		if got := messages(read(t, l.path)); got != "[INF] NODE: late\n[INF] NODE: lost\n[ERR] LOGS: Standard output takes no lines: nobody reads it; they are in this file\n[INF] NODE: lost, too\n"+back {
			t.Errorf("file: %s", got)
		}
	})
}

// TestNoticeFails: what could not be told is told after the next line, and counts.
func TestNoticeFails(t *testing.T) {
	bad := errors.New("bad")
	var out strings.Builder
	results := []error{bad, nil, bad, nil, nil, nil}
	l := fileLog(t, writerFunc(func(line []byte) (int, error) {
		err := results[0]
		if results = results[1:]; err != nil {
			return 0, err
		}
		return out.Write(line)
	}), nil)
	for i := range 4 {
		l.infof("%d", i)
	}
	want := "[INF] NODE: 1\n[INF] NODE: 2\n[WRN] LOGS: 2 lines before this could not be written to standard output\n[INF] NODE: 3\n"
	if got := messages(out.String()); got != want {
		t.Errorf("%s", got)
	}
}

// TestErrorsInTheMiddleOfALine: what goes wrong while a line is written is told, and
// stops nobody, also where telling it fails.
func TestErrorsInTheMiddleOfALine(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, nil)
	if err := errors.Join(os.Remove(l.path), os.Mkdir(l.path, 0o700)); err != nil {
		t.Skip("an open file cannot be replaced here:", err)
	}
	for range 12 { // so that it is to be rotated
		l.infof("%s", strings.Repeat("x", 100_000))
	}
	l.infof("the last line")
	if err := l.close(); err == nil {
		t.Error("closed, as if nothing was lost")
	}
	if got := out.String(); !strings.Contains(got, "[ERR] LOGS: rotator: open ") || !strings.Contains(got, "the last line\n") {
		t.Errorf("%s", strings.ReplaceAll(got, strings.Repeat("x", 100_000), "x"))
	}
}

// TestErrorBeforeTheEnd: what went wrong and is not told yet is in the file, too.
func TestErrorBeforeTheEnd(t *testing.T) {
	var out buffer
	l := newFileLog(t, &out, nil)
	l.fileFailed(errors.New("bad"))
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if got := messages(out.String()); got != "[ERR] LOGS: bad\n" || read(t, l.path) != out.String() {
		t.Errorf("%q, file %q", got, read(t, l.path))
	}
}

// TestErrorAtTheEnd: what goes wrong when the file is closed is told, too.
func TestErrorAtTheEnd(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, nil)
	l.infof("a line")
	block(t, l)
	if err := l.close(); err == nil {
		t.Error("closed, as if nothing was lost")
	}
	if got := messages(out.String()); !strings.HasPrefix(got, "[INF] NODE: a line\n[ERR] LOGS: rotator: lock ") || strings.Count(got, "\n") != 2 {
		t.Errorf("%s", got)
	}
}

// TestFileErrors: what goes wrong with the file is told in both places, of each kind
// once a minute.
func TestFileErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		l := fileLog(t, &out, nil)
		fail := func(op rotator.Op) { l.fileFailed(&rotator.Error{Op: op, Path: "x.log.1", Err: os.ErrPermission}) }
		fail(rotator.OpCompress)
		fail(rotator.OpRemove)
		fail(rotator.OpCompress)
		fail(rotator.OpWrite) // a line, of which account tells
		time.Sleep(time.Minute)
		fail(rotator.OpCompress)
		if err := l.close(); err != nil {
			t.Fatal(err)
		}
		want := `[ERR] LOGS: rotator: compress x.log.1: permission denied
[ERR] LOGS: rotator: remove x.log.1: permission denied
[ERR] LOGS: rotator: compress x.log.1: permission denied
`
		if got := messages(out.String()); got != want {
			t.Errorf("%s", got)
		}
		if read(t, l.path) != out.String() {
			t.Errorf("file: %s", read(t, l.path))
		}
	})
}

// TestLineNotInFile: what the file has not is told where it can be read, and the file is
// not tried again for that.
func TestLineNotInFile(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, nil)
	if err := l.roll.Close(); err != nil {
		t.Fatal(err)
	}
	l.infof("too late")
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	want := "[INF] NODE: too late\n[ERR] LOGS: The log file takes no lines: file already closed; they are on standard output\n"
	if got := messages(out.String()); got != want || read(t, l.path) != "" || l.file.missing() != 1 {
		t.Errorf("%q, %d lines are missing", got, l.file.missing())
	}
}

// TestTroubleAtLevelOff is not told.
func TestTroubleAtLevelOff(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, func(f *logFlags) { f.levels = "off,NODE=info" })
	l.fileFailed(errors.New("not told"))
	out.set(errors.New("not told"))
	l.infof("a line")
	out.set(nil)
	l.infof("a line")
	_ = l.close()
	if got := messages(out.String() + read(t, l.path)); got != strings.Repeat("[INF] NODE: a line\n", 3) {
		t.Errorf("%q", got)
	}
}
