package rpc

import (
	"errors"
	"fmt"

	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/node"
)

// Code is the number of an error, as Bitcoin Core has them (src/rpc/protocol.h) and
// btcd after it.
type Code int

// The codes that this package uses.
const (
	CodeMisc          Code = -1  // anything else; also how a wrong number of arguments is answered
	CodeType          Code = -3  // an argument has the wrong JSON type
	CodeAddress       Code = -5  // an address cannot be read, or not be reached by this node
	CodeParameter     Code = -8  // an argument makes no sense
	CodeOffline       Code = -9  // the node does not connect to anybody now
	CodeAlreadyAdded  Code = -23 // the peer or the ban is there already
	CodeNotAdded      Code = -24 // the peer is not there
	CodeNotConnected  Code = -29 // no such connection
	CodeInvalidSubnet Code = -30 // no address or range that can be banned, or none that is
	CodeCapacity      Code = -34 // there are as many as may be

	CodeInvalidRequest Code = -32600
	CodeNoMethod       Code = -32601
	CodeInvalidParams  Code = -32602
	CodeInternal       Code = -32603
	CodeParse          Code = -32700
)

// Error is the error of a call, as it is sent.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error returns the message and the code.
func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Message, e.Code) }

func fail(code Code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// asError makes an Error of what a handler returned.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{CodeMisc, err.Error()}
}

// orderError gives the errors of the node's orders their codes.
func orderError(err error) error {
	var bad *node.ConfigError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, node.ErrAdded):
		return &Error{CodeAlreadyAdded, "Error: Node already added"} // Core's words, which clients look for
	case errors.Is(err, node.ErrNotAdded):
		return &Error{CodeNotAdded, "Error: Node could not be removed. It has not been added previously."}
	case errors.Is(err, connmgr.ReasonDuplicate):
		return &Error{CodeAlreadyAdded, "it is connected or being dialed already, or waits for its network or a place to be dialed"}
	case errors.Is(err, node.ErrNotRunning), errors.Is(err, node.ReasonNetworkOff), errors.Is(err, connmgr.ReasonNetworkDown):
		return &Error{CodeOffline, err.Error()}
	case errors.Is(err, node.ErrTooManyAdded):
		return &Error{CodeCapacity, err.Error()}
	case errors.As(err, &bad):
		return &Error{CodeAddress, err.Error()}
	}
	return err
}

// banError does the same for the ban list's.
func banError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, banlist.ErrSubject), errors.Is(err, banlist.ErrEverything):
		return &Error{CodeInvalidSubnet, "Error: Invalid IP/Subnet: " + err.Error()}
	case errors.Is(err, banlist.ErrOver):
		return &Error{CodeParameter, err.Error()}
	}
	return err
}
