package main

import (
	"slices"
	"strings"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/spf13/pflag"
)

// mainnet is the network if no other is chosen.
const mainnet = "mainnet"

// networks are those that a flag chooses; without one it is mainnet. The name is
// that of the flag and of the directory.
var networks = []struct {
	name   string
	params *chaincfg.Params
	help   string
}{
	{"testnet4", &chaincfg.TestNet4Params, "join the test network (version 4)"},
	{"signet", &chaincfg.SigNetParams, "join the default signet"},
	{"regtest", &chaincfg.RegressionNetParams, "join a regression test network"},
	{"simnet", &chaincfg.SimNetParams, "join a simulation network; its peers must be given"},
}

// ports are where a network's daemon takes commands and shows its page. They are ours:
// none is one of Bitcoin Core's or btcd's.
var ports = map[string]struct{ rpc, page int }{
	mainnet:    {8341, 8340},
	"testnet4": {48341, 48340},
	"signet":   {38341, 38340},
	"regtest":  {18441, 18440},
	"simnet":   {18561, 18560},
}

// networkFlags are the flags that choose a network.
type networkFlags map[string]*bool

func addNetworkFlags(flags *pflag.FlagSet) networkFlags {
	f := make(networkFlags)
	for _, n := range networks {
		f[n.name] = flags.Bool(n.name, false, n.help)
	}
	return f
}

// chosen returns the network, and the name of its directory.
func (f networkFlags) chosen() (*chaincfg.Params, string, error) {
	params, name := &chaincfg.MainNetParams, mainnet
	var given []string
	for _, n := range networks {
		if *f[n.name] {
			params, name = n.params, n.name
			given = append(given, "--"+n.name)
		}
	}
	if len(given) > 1 {
		return nil, "", usagef("%s exclude each other: choose one network", strings.Join(given, " and "))
	}
	return params, name, nil
}

// networkNames returns the names of all networks.
func networkNames() []string {
	names := []string{mainnet}
	for _, n := range networks {
		names = append(names, n.name)
	}
	return names
}

// isNetworkFlag reports whether a flag chooses a network.
func isNetworkFlag(name string) bool {
	return name != mainnet && slices.Contains(networkNames(), name)
}
