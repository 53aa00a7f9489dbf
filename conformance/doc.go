// Package conformance holds tests of Holdfast's JSON-RPC with clients that others wrote,
// against a daemon of this tree that has a real btcd for a peer. README.md says which.
package conformance
