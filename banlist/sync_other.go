//go:build !unix

package banlist

// syncDir does nothing: Windows keeps names in its journal, and others have no such
// thing.
func syncDir(string) error { return nil }
