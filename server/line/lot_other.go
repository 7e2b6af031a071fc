//go:build !linux

package line

import (
	"context"
	"syscall"
)

// A Lot is where connections wait that have nothing to do. This system has
// none.
type Lot struct{ crew crew }

// NewLot returns nil: connections wait on goroutines of their own.
func NewLot(context.Context) (*Lot, error) { return nil, nil }

func (*Lot) add(*Conn, syscall.RawConn) (place uint64) { return 0 }

func (*Lot) remove(uint64) {}

// Turn does nothing.
func (*Lot) Turn() {}
