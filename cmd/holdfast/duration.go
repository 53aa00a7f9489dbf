package main

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// duration is the value of a flag: a time as Go writes it, or a plain number of
// seconds, as the configuration files of btcd and Bitcoin Core have it.
type duration time.Duration

// addDuration adds a flag whose value is a time.
func addDuration(flags *pflag.FlagSet, d *time.Duration, name string, byDefault time.Duration, usage string) {
	*d = byDefault
	flags.Var((*duration)(d), name, usage)
}

func (d *duration) String() string { return time.Duration(*d).String() }

// Type is pflag's name of the kind of value.
func (d *duration) Type() string { return "duration" }

// Set reads text.
func (d *duration) Set(text string) error {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		if n > math.MaxInt64/int64(time.Second) {
			return errors.New("it is too long")
		}
		*d = duration(n) * duration(time.Second)
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("it must be a time, as 24h or 1h30m, or a number of seconds")
	}
	*d = duration(v)
	return nil
}
