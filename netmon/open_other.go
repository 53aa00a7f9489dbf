//go:build !linux

package netmon

import "context"

func open(_ context.Context, o Options) (source, error) {
	return newPoller(o.PollEvery, interfaces)
}
