package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/spf13/pflag"

	"holdfast/node"
	"holdfast/rpc"
	"holdfast/stream"
)

// subsystemRPC is the subsystem of the RPC server.
const subsystemRPC = "RPCS"

// cookieName is the file with the RPC password of a run, in a network's directory.
const cookieName = ".cookie"

// rpcFlags say who may call the node's methods, and where.
type rpcFlags struct {
	off        bool
	listen     []string
	user, pass string
	auth       []string
	cert, key  string
	hosts      []string
	elsewhere  bool // the dashboard is to be seen from elsewhere, by the same certificate
}

func (f *rpcFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.off, "norpc", false, "take no commands by JSON-RPC")
	flags.StringArrayVar(&f.listen, "rpclisten", nil, "take commands on `host[:port]` (*) (default: 127.0.0.1 at port 8341\non mainnet); elsewhere than on loopback by TLS only")
	flags.StringVar(&f.user, "rpcuser", "", "let this `name` in")
	flags.StringVar(&f.pass, "rpcpass", "", "with this `password`; without both, who can read the data\ndirectory's .cookie may give commands")
	flags.StringArrayVar(&f.auth, "rpcauth", nil, "let in who this `line` of Bitcoin Core's rpcauth.py says (*)")
	flags.StringVar(&f.cert, "rpccert", "", "use the TLS certificate in `path`, which is made if it is not\nthere (default rpc.cert in the network's directory)")
	flags.StringArrayVar(&f.hosts, "hostname", nil, "answer commands and the web page under this `name` too (*)")
	flags.StringVar(&f.key, "rpckey", "", "use the key of it in `path` (default rpc.key)")
}

// config makes the server's configuration, but for the node and what belongs to it.
func (f *rpcFlags) config(dir, network string) (rpc.Config, error) {
	cfg := rpc.Config{
		User: f.user, Password: f.pass, Auth: f.auth,
		CookieFile: filepath.Join(dir, cookieName),
		TLSCert:    f.cert, TLSKey: f.key,
		Hosts: f.hosts,
	}
	if (f.user == "") != (f.pass == "") {
		return cfg, usagef("--rpcuser and --rpcpass need each other")
	}
	for _, text := range f.listen {
		cfg.Listen = append(cfg.Listen, withPort(text, ports[network].rpc))
	}
	if len(cfg.Listen) == 0 {
		cfg.Listen = []string{withPort("127.0.0.1", ports[network].rpc)}
	}
	if cfg.TLSCert == "" && cfg.TLSKey == "" && (f.elsewhere || beyondLoopback(f.listen)) {
		cfg.TLSCert, cfg.TLSKey = filepath.Join(dir, "rpc.cert"), filepath.Join(dir, "rpc.key")
	}
	return cfg, nil
}

// beyondLoopback reports whether others than this machine reach one of the addresses.
func beyondLoopback(listen []string) bool {
	for _, text := range listen {
		host, _, err := net.SplitHostPort(withPort(text, 1))
		ip := net.ParseIP(host)
		if err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return true
		}
	}
	return false
}

// withPort adds a port where there is none.
func withPort(text string, port int) string {
	if _, _, err := net.SplitHostPort(text); err == nil {
		return text
	}
	if len(text) > 1 && text[0] == '[' && text[len(text)-1] == ']' {
		text = text[1 : len(text)-1]
	}
	return net.JoinHostPort(text, strconv.Itoa(port))
}

// serve opens the RPC server of a node. stop ends the program. Nil means that there
// is none.
func (f *rpcFlags) serve(n *node.Node, hub *stream.Hub, log *logs, params *chaincfg.Params, dir, network string, stop func()) (*rpc.Server, error) {
	forgetAddress(dir) // of a run that did not end as it should
	if f.off {
		return nil, nil
	}
	cfg, err := f.config(dir, network)
	if err != nil {
		return nil, err
	}
	cfg.Node, cfg.Hub, cfg.Stop = n, hub, stop
	cfg.Magic = uint32(params.Net)
	cfg.Levels, cfg.SetLevels, cfg.LogPath = log.levels, log.changeLevels, log.path
	cfg.Log = slog.New(log.handler(subsystemRPC))
	server, err := rpc.New(cfg)
	var wrong *node.ConfigError
	switch {
	case errors.As(err, &wrong):
		return nil, flagError(err)
	case err != nil:
		return nil, err
	}
	if err := writeAddress(dir, server.Addrs(), cfg.TLSCert); err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return server, nil
}

// addressName is the file that says where a run takes commands, in a network's
// directory: host:port, and where only TLS is spoken there a second line, the path of
// the certificate. Our own commands find the daemon by it, whatever --rpclisten was.
const addressName = ".rpcaddress"

// writeAddress writes that file. Of several addresses it takes one on loopback.
func writeAddress(dir string, addrs []net.Addr, cert string) error {
	var best netip.AddrPort
	for _, a := range addrs {
		x := a.(*net.TCPAddr).AddrPort()
		x = netip.AddrPortFrom(x.Addr().Unmap(), x.Port())
		if !best.IsValid() || x.Addr().IsLoopback() && !best.Addr().IsLoopback() {
			best = x
		}
	}
	text := best.String() + "\n"
	if !best.Addr().IsLoopback() {
		if best.Addr().IsUnspecified() {
			text = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(best.Port()))) + "\n"
		}
		cert, err := filepath.Abs(cert)
		if err != nil {
			return err
		}
		text += cert + "\n"
	}
	path := filepath.Join(dir, addressName)
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("cannot write where commands are taken: %w", err)
	}
	return nil
}

// readAddress reads the file that writeAddress wrote.
func readAddress(dir string) (address, cert string, ok bool) {
	text, err := os.ReadFile(filepath.Join(dir, addressName))
	if err != nil {
		return "", "", false
	}
	address, rest, _ := strings.Cut(string(text), "\n")
	cert, _, _ = strings.Cut(rest, "\n")
	_, _, err = net.SplitHostPort(address)
	return address, cert, err == nil
}

// forgetAddress removes the file.
func forgetAddress(dir string) { _ = os.Remove(filepath.Join(dir, addressName)) } // then clients try in vain

// handler returns a slog.Handler whose lines go where all others go.
func (l *logs) handler(subsystem string) slog.Handler { return logsHandler{l, subsystem} }

type logsHandler struct {
	logs      *logs
	subsystem string
}

func (h logsHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.logs.enabled(h.subsystem, level)
}

func (h logsHandler) Handle(_ context.Context, r slog.Record) error {
	h.logs.write(h.subsystem, r)
	return nil
}

// The RPC server sets neither attributes nor groups for all its lines.
func (h logsHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h logsHandler) WithGroup(string) slog.Handler      { return h }
