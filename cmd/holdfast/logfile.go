package main

import (
	"io"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/pflag"

	"holdfast/rotator"
)

const (
	logFileName = "holdfast.log"

	// A megabyte of --maxlogsize is btcd's and lnd's: 1024 times 1000 bytes.
	logMegabyte = 1024 * 1000

	defaultMaxLogSize  = 10
	defaultMaxLogRolls = 3
)

// logFlags are the flags of the log.
type logFlags struct {
	levels            string
	format            string
	dir               string
	maxSize, maxRolls int
	compress          string
	noFile            bool
}

// add adds all of them.
func (f *logFlags) add(flags *pflag.FlagSet) {
	f.addLevels(flags, "info")
	flags.StringVar(&f.format, "logformat", "text", "log lines as `text` or json")
	flags.StringVar(&f.dir, "logdir", "", "keep log files in `path`, each network's in a directory of\nits own (default the directory logs in the data directory)")
	flags.IntVar(&f.maxSize, "maxlogsize", defaultMaxLogSize, "begin a new log file after this many `megabytes`")
	flags.IntVar(&f.maxRolls, "maxlogrolls", defaultMaxLogRolls, "keep this `number` of older log files; 0 keeps all")
	flags.StringVar(&f.compress, "logcompress", "gzip", "compress older log files by `method`: gzip, zstd or off")
	flags.BoolVar(&f.noFile, "nofilelogging", false, "log to standard output only")
}

// addLevels adds the one of the levels.
func (f *logFlags) addLevels(flags *pflag.FlagSet, byDefault string) {
	flags.StringVar(&f.levels, "debuglevel", byDefault, "log from these `levels` on: trace, debug, info, warn, error,\ncritical or off; for a subsystem too, as info,PEER=debug")
}

// check refuses what cannot be.
func (f *logFlags) check() error {
	if _, err := parseLevels(f.levels); err != nil {
		return usagef("--debuglevel %q: %w", f.levels, err)
	}
	if f.format != "text" && f.format != "json" {
		return usagef("--logformat %q: it must be text or json", f.format)
	}
	// More than a terabyte is a mistake, and would overflow somewhere.
	if f.maxSize < 1 || f.maxSize > 1e6 {
		return usagef("--maxlogsize %d: from 1 to 1000000 megabytes are possible", f.maxSize)
	}
	if f.maxRolls < 0 {
		return usagef("--maxlogrolls %d: it cannot be negative", f.maxRolls)
	}
	switch f.compress {
	case "gzip", "zstd", "off":
		return nil
	}
	return usagef("--logcompress %q: it must be gzip, zstd or off", f.compress)
}

// options says how the file is kept. The flags were checked.
func (f *logFlags) options() (rotator.Options, error) {
	opts := rotator.Options{MaxSize: int64(f.maxSize) * logMegabyte, MaxRolls: f.maxRolls}
	if f.maxRolls == 0 {
		opts.MaxRolls = -1
	}
	switch f.compress {
	case "off":
		opts.Plain = true
	case "zstd":
		// One goroutine: rolls are compressed in the background, of which there
		// is no need to hurry.
		z, err := zstd.NewWriter(io.Discard, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return opts, err
		}
		opts.Compressor, opts.Suffix = z, "zst"
	}
	return opts, nil
}

// path is where the log file of a network is.
func (f *logFlags) path(dataDir, network string) string {
	dir := f.dir
	if dir == "" {
		dir = filepath.Join(dataDir, "logs")
	}
	return filepath.Join(dir, network, logFileName)
}
