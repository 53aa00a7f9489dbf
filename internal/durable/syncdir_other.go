//go:build !unix

// Package durable has names in a directory on disk.
package durable

// SyncDir does nothing: Windows keeps names in its journal, and others have no such
// thing.
func SyncDir(string) error { return nil }
