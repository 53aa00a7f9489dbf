package rotator

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSurplus(t *testing.T) {
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	// Rolls of 30, 20 and 10 bytes, 3, 2 and 1 days old, the oldest first.
	var rolls []*roll
	for i := int64(3); i > 0; i-- {
		rolls = append(rolls, &roll{n: 4 - i, size: 10 * i, mod: now.AddDate(0, 0, int(-i))})
	}
	const day = 24 * time.Hour
	for _, tt := range []struct {
		o    Options
		want int
	}{
		{Options{MaxRolls: -1}, 0},
		{Options{MaxRolls: 4}, 0},
		{Options{MaxRolls: 3}, 0},
		{Options{MaxRolls: 2}, 1},
		{Options{MaxRolls: 1}, 2},
		{Options{MaxRolls: -1, MaxAge: 3 * day}, 0},
		{Options{MaxRolls: -1, MaxAge: 3*day - 1}, 1},
		{Options{MaxRolls: -1, MaxAge: 1}, 3}, // a roll can be too old, the newest too
		{Options{MaxRolls: 1, MaxAge: 3*day - 1}, 2},
		{Options{MaxRolls: -1, MaxSize: 1, MaxTotalBytes: 61}, 0},
		{Options{MaxRolls: -1, MaxSize: 1, MaxTotalBytes: 60}, 1},
		{Options{MaxRolls: -1, MaxSize: 1, MaxTotalBytes: 31}, 1},
		{Options{MaxRolls: -1, MaxSize: 1, MaxTotalBytes: 30}, 2},
		{Options{MaxRolls: -1, MaxSize: 1, MaxTotalBytes: 2}, 2}, // but the newest is not too large
		{Options{MaxRolls: 2, MaxSize: 1, MaxTotalBytes: 31}, 1},
	} {
		if got := surplus(rolls, &tt.o, now); got != tt.want {
			t.Errorf("rolls %d, age %v, bytes %d: %d must go, want %d", tt.o.MaxRolls, tt.o.MaxAge, tt.o.MaxTotalBytes, got, tt.want)
		}
	}
	if got := surplus(nil, &Options{MaxRolls: 1, MaxAge: 1, MaxTotalBytes: 1}, now); got != 0 {
		t.Errorf("%d of no rolls must go", got)
	}
}

// The limit holds at every moment, whatever the mixture of plain rolls, archives
// and both, of this Compressor and of another.
func TestLimitPlainAndCompressed(t *testing.T) {
	file := tempLog(t)
	put(t, file+".1", "one\n")
	zip(t, file+".2.gz", "two\n")
	put(t, file+".3.zst", "another's archive")
	put(t, file+".4", "four\n")
	zip(t, file+".4.gz", "four\n")
	put(t, file+".5", "five\n")
	r := open(t, file, Options{MaxSize: 1, MaxRolls: 3, hook: func(string) error {
		l, err := list(file, "gz")
		if err != nil {
			t.Error(err)
		}
		// While it looks, others may be made and those that it has seen may go.
		if len(l.rolls) > 4 && l.rolls[0].n > 2 {
			t.Errorf("%d rolls", len(l.rolls))
		}
		return nil
	}})
	for i := range 20 {
		write(t, r, fmt.Sprint("new ", i))
	}
	shut(t, r)
	checkNames(t, file, "x.log x.log.23.gz x.log.24.gz x.log.25.gz")
	checkHistory(t, file, "new 17", "new 18", "new 19")
}

// Files that only look like ours stay untouched.
func TestOthersFiles(t *testing.T) {
	file := tempLog(t)
	others := strings.Fields("x.log.0 x.log.01 x.log.-1 x.log.+1 x.log.1.bak x.log.1.gz.old x.log.1.tmp x.log.gz x.log.tmp x.log2 y.log.1")
	for _, name := range others {
		put(t, strings.TrimSuffix(file, "x.log")+name, "")
	}
	if err := os.Mkdir(file+".3.gz", 0o700); err != nil {
		t.Fatal(err)
	}
	r := open(t, file, Options{MaxSize: 1, MaxRolls: 1})
	write(t, r, "a", "b")
	if err := os.Symlink(file, file+".9"); err != nil {
		t.Skip(err)
	}
	write(t, r, "c", "d")
	shut(t, r)
	got := names(t, strings.TrimSuffix(file, "x.log"))
	for _, name := range append(others, "x.log.3.gz", "x.log.9") {
		if !strings.Contains(" "+got+" ", " "+name+" ") {
			t.Errorf("%s is gone", name)
		}
	}
}

// Rolls that others made or removed meanwhile are seen.
func TestOthersRolls(t *testing.T) {
	file := tempLog(t)
	r := open(t, file, Options{MaxSize: 1, MaxRolls: -1, Plain: true})
	write(t, r, "a")
	put(t, file+".2", "not ours\n")
	put(t, file+".7", "nor this\n")
	write(t, r, "b")
	checkNames(t, file, "x.log x.log.1 x.log.2 x.log.7 x.log.8")
	for _, n := range []string{".1", ".2"} {
		if err := os.Remove(file + n); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Reopen(); err != nil {
		t.Error(err)
	}
	write(t, r, "c")
	checkHistory(t, file, "nor this", "b", "c")
}

// A roll that others removed makes room for older ones.
func TestMaxTotalBytes(t *testing.T) {
	file := tempLog(t)
	r := open(t, file, Options{MaxSize: 100, MaxRolls: -1, MaxTotalBytes: 400, Plain: true})
	line := strings.Repeat("x", 99)
	write(t, r, line, line, line)
	checkNames(t, file, "x.log x.log.1 x.log.2 x.log.3")
	write(t, r, line)
	checkNames(t, file, "x.log x.log.2 x.log.3 x.log.4")
	if err := os.Remove(file + ".4"); err != nil {
		t.Fatal(err)
	}
	write(t, r, line)
	checkNames(t, file, "x.log x.log.2 x.log.3 x.log.5")
}

// A roll counts with the size that it has after its compression.
func TestMaxTotalBytesCompressed(t *testing.T) {
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		r := open(t, file, Options{MaxSize: 1, MaxRolls: -1, MaxTotalBytes: 100})
		for range 9 {
			write(t, r, "a") // 2 bytes; an archive of them has 26
			synctest.Wait()
			total := int64(0)
			r.mu.Lock()
			for _, roll := range r.rolls {
				total += roll.size
			}
			r.mu.Unlock()
			onDisk := int64(0)
			l, err := list(file, "gz")
			if err != nil {
				t.Fatal(err)
			}
			for _, roll := range l.rolls {
				onDisk += roll.size
			}
			if total != onDisk || onDisk > 100+26 {
				t.Fatalf("rolls of %d bytes counted, %d on disk", total, onDisk)
			}
		}
		shut(t, r)
	})
}

// A roll that could not be removed is tried again at the next rotation.
func TestRemovalFails(t *testing.T) {
	file := tempLog(t)
	fail := false
	r := open(t, file, Options{MaxSize: 1, MaxRolls: 1, Plain: true, OnError: func(error) {}, hook: func(step string) error {
		if fail && step == "remove" {
			return os.ErrPermission
		}
		return nil
	}})
	write(t, r, "a")
	fail = true
	write(t, r, "b", "c")
	checkNames(t, file, "x.log x.log.1 x.log.2 x.log.3")
	fail = false
	write(t, r, "d")
	checkNames(t, file, "x.log x.log.4")
	if r.Errors() != 3 { // 1; 1 and 2
		t.Errorf("%d errors, want 3", r.Errors())
	}
}

// MaxAge counts from a roll's last line, also across its compression and a
// restart, and is applied though nothing is rotated.
func TestMaxAge(t *testing.T) {
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		put(t, file+".1", "one\n")
		put(t, file+".2", "two\n")
		put(t, file+".3", "three\n")
		setTime(t, file+".1", time.Now().Add(-3*day))
		setTime(t, file+".2", time.Now().Add(-1*day))
		setTime(t, file+".3", time.Now())
		r := open(t, file, Options{MaxAge: 2 * day})
		shut(t, r)
		checkNames(t, file, "x.log x.log.2.gz x.log.3.gz")
		r = open(t, file, Options{MaxAge: 2 * day})
		time.Sleep(day)
		write(t, r, "a")
		checkNames(t, file, "x.log x.log.2.gz x.log.3.gz")
		time.Sleep(2 * time.Second)
		write(t, r, "b")
		checkNames(t, file, "x.log x.log.3.gz")
		time.Sleep(day)
		write(t, r, "c")
		checkNames(t, file, "x.log")
		shut(t, r)
	})
}
