package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// callTimeout bounds a call. It is above the longest that the methods wait for an event.
const callTimeout = 90 * time.Second

// clientFlags say which running daemon is meant, and how to be let in. They are shared
// by a command and those below it.
type clientFlags struct {
	network    networkFlags
	dataDir    string
	configFile string
	server     string
	user, pass string
	cert       string
	json       bool
}

// add adds the flags.
func (f *clientFlags) add(flags *pflag.FlagSet) {
	f.network = addNetworkFlags(flags)
	for _, n := range networks {
		flags.Lookup(n.name).Usage = "ask the daemon on " + n.name
	}
	flags.StringVar(&f.dataDir, "datadir", defaultDataDir(), "the daemon keeps its files in `path`")
	flags.StringVar(&f.configFile, confFlag, "", "the daemon's settings are in `path` (default holdfast.conf in\nthe data directory, if there is one)")
	flags.StringVar(&f.server, "rpcserver", "", "the daemon takes commands at `host[:port]` (default: where the\none with that data directory does)")
	flags.StringVar(&f.user, "rpcuser", "", "log in by this `name` instead of the data directory's cookie")
	flags.StringVar(&f.pass, "rpcpass", "", "with this `password`")
	flags.StringVar(&f.cert, "rpccert", "", "use TLS, and trust the certificate in `path`")
	flags.BoolVar(&f.json, "json", false, "print JSON for programs")
}

// fileSettings are those of the daemon that a client takes from its configuration file.
// All others are passed over, also wrong ones: the daemon has said what it thinks of them.
func fileSettings() []string {
	return append([]string{"datadir", "rpcuser", "rpcpass"}, networkNames()[1:]...)
}

// configure gives the flags the values of the environment and of the daemon's
// configuration file, where the command line has none.
func (f *clientFlags) configure(flags *pflag.FlagSet, environ []string) error {
	fromFile := fileSettings()
	named := append([]string{confFlag, "rpcserver", "rpccert"}, fromFile...)
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	s := &settings{flags: own, given: make(map[string][]string), origin: make(map[string]string)}
	flags.VisitAll(func(x *pflag.Flag) {
		if !slices.Contains(named, x.Name) {
			return
		}
		own.AddFlag(x)
		if x.Changed {
			s.origin[x.Name] = commandLine
		}
	})
	if err := s.fromEnvironment(environ); err != nil {
		return err
	}
	path := cmp.Or(f.configFile, filepath.Join(f.dataDir, confFileName))
	lines, err := readConf(path)
	switch {
	case err != nil && f.configFile != "":
		return usagef("configuration file %w", err)
	case err != nil:
		return nil // the daemon may be of another user
	}
	return s.take(path, slices.DeleteFunc(lines, func(l confLine) bool { return !slices.Contains(fromFile, l.key) }))
}

// unreachableError says that no daemon could be asked.
type unreachableError struct{ error }

func (e unreachableError) Unwrap() error { return e.error }

// client calls a running daemon. It is safe for concurrent use.
type client struct {
	flags      *clientFlags
	network    string
	port       uint16 // of the network's peers
	http       *http.Client
	url        string
	user, pass string
	json       bool
	out, err   io.Writer
}

// run returns the RunE of a command that asks the daemon.
func (f *clientFlags) run(do func(ctx context.Context, c *client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := f.client(cmd)
		if err != nil {
			return err
		}
		return do(cmd.Context(), c, args)
	}
}

// client returns a client of the daemon that the flags, the environment and the
// configuration file mean.
func (f *clientFlags) client(cmd *cobra.Command) (*client, error) {
	if err := f.configure(cmd.Flags(), os.Environ()); err != nil {
		return nil, err
	}
	c, err := f.open()
	if err != nil {
		return nil, err
	}
	c.out, c.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
	return c, nil
}

// open reads where the daemon is and what lets in. Both change when it is started anew.
func (f *clientFlags) open() (*client, error) {
	params, network, err := f.network.chosen()
	switch {
	case err != nil:
		return nil, err
	case (f.user == "") != (f.pass == ""):
		return nil, usagef("--rpcuser and --rpcpass need each other")
	}
	dir := filepath.Join(f.dataDir, network)
	address, cert := f.where(dir, network)
	c := &client{
		flags: f, network: network, port: defaultPort(params),
		user: f.user, pass: f.pass, json: f.json,
	}
	transport := &http.Transport{Proxy: nil} // the password goes to the daemon only
	scheme := "http"
	if cert != "" {
		scheme = "https"
		if transport.TLSClientConfig, err = trust(cert); err != nil {
			return nil, err
		}
	} else if host, _, err := net.SplitHostPort(address); err != nil || !isLoopback(host) {
		return nil, usagef("--rpcserver %q: the password would cross the network for all to read; give the daemon's certificate by --rpccert", f.server)
	}
	c.http = &http.Client{Timeout: callTimeout, Transport: transport}
	c.url = (&url.URL{Scheme: scheme, Host: address, Path: "/"}).String()
	if c.user == "" {
		c.user, c.pass, err = f.cookie(filepath.Join(dir, cookieName), network)
	}
	return c, err
}

// where returns where the daemon with a directory takes commands, and the certificate
// that it shows there, "" for none.
func (f *clientFlags) where(dir, network string) (address, cert string) {
	if f.server != "" {
		return withPort(f.server, ports[network].rpc), f.cert
	}
	address, cert, ok := readAddress(dir)
	if !ok {
		address = withPort("127.0.0.1", ports[network].rpc)
	}
	return address, cmp.Or(f.cert, cert)
}

// cookie reads the cookie file of a run.
func (f *clientFlags) cookie(path, network string) (user, password string, err error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", "", unreachableError{fmt.Errorf("no daemon runs on %s with the data directory %s; start one with holdfast run, or name another by --datadir and the network's flag", network, f.dataDir)}
	case err != nil:
		return "", "", unreachableError{fmt.Errorf("cannot log in: %w; only the user who runs the daemon may read its cookie", err)}
	}
	user, password, _ = strings.Cut(strings.TrimSpace(string(text)), ":")
	return user, password, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// trust makes TLS believe a certificate, and what it has signed, and nothing else.
func trust(path string) (*tls.Config, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("--rpccert: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, usagef("--rpccert %q: there is no certificate in it", path)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// defaultPort is the port that a network's peers have if nothing else is said.
func defaultPort(params *chaincfg.Params) uint16 {
	port, _ := strconv.ParseUint(params.DefaultPort, 10, 16) // all have one
	return uint16(port)
}
