package rotator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkWrite: a Write beside a bare write to a file.
func BenchmarkWrite(b *testing.B) {
	line := []byte(strings.Repeat("x", 145) + "\n")
	b.Run("rotator", func(b *testing.B) {
		r, err := Open(filepath.Join(b.TempDir(), "x.log"), Options{Plain: true})
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Write(line); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("file", func(b *testing.B) {
		f, err := os.OpenFile(filepath.Join(b.TempDir(), "x.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := f.Write(line); err != nil {
				b.Fatal(err)
			}
		}
	})
}
