package dashboard

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Numbers as people read them. The page's script gets them as text: there is no second
// copy of this.

// bytesText is a number of bytes: "999 B", "1.2 MB".
func bytesText(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	x := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB", "PB"} {
		x /= 1000
		if x < 9.95 {
			return fmt.Sprintf("%.1f %s", x, unit)
		}
		if x < 999.5 {
			return fmt.Sprintf("%.0f %s", x, unit)
		}
	}
	return fmt.Sprintf("%.0f EB", x/1000)
}

// spanText is a length of time, in its two largest units at most: "42 s", "3 min",
// "2 h 5 min", "3 d 4 h".
func spanText(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// pingText is a round trip: "<0.1 ms", "0.3 ms", "87 ms", "1.2 s"; a dash if there was
// none.
func pingText(d time.Duration) string {
	switch ms := float64(d) / float64(time.Millisecond); {
	case d <= 0:
		return "–"
	case ms < .05:
		return "<0.1 ms"
	case ms < 9.95:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 999.5:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// rangeText is the least and the greatest of some numbers: "6 to 8".
func rangeText(list []int) string {
	a, b := slices.Min(list), slices.Max(list)
	if a == b {
		return strconv.Itoa(a)
	}
	return fmt.Sprintf("%d to %d", a, b)
}

// clockText is a moment, with the day if that is another.
func clockText(t, now time.Time) string {
	t = t.Local()
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04")
}
