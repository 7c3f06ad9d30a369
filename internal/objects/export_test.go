package objects

import (
	"context"
	"net"
)

// NewDialing is New for a store whose name no resolver knows.
func NewDialing(cfg Config, dial func(ctx context.Context, network, addr string) (net.Conn, error)) (*Store, error) {
	return newStore(cfg, dial)
}
