// Package connmgr is holdfast/connmgr under btcd's names. It has every exported
// name of github.com/btcsuite/btcd/connmgr with the same type, so a program
// switches by changing one import path; a test compares the two with apidiff.
//
// Most names are aliases, so values of this package are values of
// holdfast/connmgr and its newer methods and fields can be used at once. What is
// defined here is what needs Bitcoin's or btclog's types: SeedFromDNS, UseLogger
// and DisableLog, and a New that logs where UseLogger says.
package connmgr

import (
	"log/slog"
	"net"

	"holdfast/connmgr"
)

// Aliases for the types of holdfast/connmgr, where they are described.
type (
	ConnManager     = connmgr.ConnManager
	ConnReq         = connmgr.ConnReq
	ConnState       = connmgr.ConnState
	ConnOption      = connmgr.ConnOption
	Config          = connmgr.Config
	DynamicBanScore = connmgr.DynamicBanScore
)

// The states of a ConnReq.
const (
	ConnPending      = connmgr.ConnPending
	ConnFailing      = connmgr.ConnFailing
	ConnCanceled     = connmgr.ConnCanceled
	ConnEstablished  = connmgr.ConnEstablished
	ConnDisconnected = connmgr.ConnDisconnected
)

// How the decaying part of a DynamicBanScore fades, in seconds.
const (
	Halflife = connmgr.Halflife
	Lifetime = connmgr.Lifetime
)

// The errors of New and TorLookupIP. They may come wrapped: test for them with
// errors.Is.
var (
	ErrDialNil                   = connmgr.ErrDialNil
	ErrTorInvalidAddressResponse = connmgr.ErrTorInvalidAddressResponse
	ErrTorInvalidProxyResponse   = connmgr.ErrTorInvalidProxyResponse
	ErrTorUnrecognizedAuthMethod = connmgr.ErrTorUnrecognizedAuthMethod
)

// New makes a manager. If cfg.Logger is nil, the manager logs to the logger that
// was given to UseLogger last, be it before or after. cfg is copied, and not
// written to. The error is ErrDialNil if there is no way to dial.
func New(cfg *Config) (*ConnManager, error) {
	if cfg == nil || cfg.Logger != nil {
		return connmgr.New(cfg)
	}
	c := *cfg
	c.Logger = slog.New(logHandler{})
	return connmgr.New(&c)
}

// WithTriggerReconnect makes Disconnect connect a request anew that is not
// permanent.
func WithTriggerReconnect() ConnOption { return connmgr.WithTriggerReconnect() }

// TorLookupIP resolves a host name through the Tor proxy at a TCP address, within
// connmgr.TorLookupTimeout.
func TorLookupIP(host, proxy string) ([]net.IP, error) { return connmgr.TorLookupIP(host, proxy) }
