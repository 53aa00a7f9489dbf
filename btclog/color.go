package btclog

import "os"

// colorWanted tells whether lines written to out may carry colour. What it asks of
// the environment is what https://no-color.org has agreed on.
func colorWanted(out *Output) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && out.terminal()
}

// coloredLevel is a level in brackets, coloured by how much it matters.
func coloredLevel(l Level) string {
	colors := [...]string{"2", "36", "32", "33", "31", "1;31"}
	if int(l) >= len(colors) {
		return "[" + l.String() + "]"
	}
	return "\x1b[" + colors[l] + "m[" + l.String() + "]\x1b[0m"
}
