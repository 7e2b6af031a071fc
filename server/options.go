package server

import (
	"math"
	"time"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// What the configuration means to each room.

func (c Config) accounts() account.Options {
	return account.Options{
		Signup:      c.Accounts.Signup,
		MinPassword: c.Accounts.MinPassword,
		Throttle: account.Limits{
			Pair:    c.Login.FailuresPerPair,
			Address: c.Login.FailuresPerAddress,
			Window:  time.Duration(c.Login.FailureWindow),
		},
		Cost: account.Cost{
			Memory:  uint32(c.Accounts.HashMemory >> 10),
			Time:    uint32(c.Accounts.HashTime),
			Threads: uint8(c.Accounts.HashThreads),
		},
		Hashes: c.Accounts.HashParallel,
	}
}

func (c Config) hub() hub.Settings {
	return hub.Settings{
		PrivateHistory: c.Chat.PrivateHistory,
		Privates:       hub.Retention{Age: time.Duration(c.Chat.PrivateHistoryAge), Count: c.Chat.PrivateHistoryCount},
		Groups:         hub.Retention{Age: time.Duration(c.Chat.GroupHistoryAge), Count: c.Chat.GroupHistoryCount},
		Trash:          time.Duration(c.Files.Trash),
		Sessions:       c.Limits.PerAccount,
		AccountPace:    hub.Pace{Burst: c.Chat.Burst, Rate: c.Chat.Rate},
		GroupPace:      hub.Pace{Burst: c.Chat.GroupBurst, Rate: c.Chat.GroupRate},
	}
}

func (c Config) sandbox() sandbox.Options {
	return sandbox.Options{
		Reserve: int64(c.Files.FreeReserve),
		Rate:    int64(c.Files.Rate),
		Quota:   sandbox.Quota{Bytes: int64(c.Files.Quota), Files: int64(c.Files.QuotaFiles)},
		Trash:   time.Duration(c.Files.Trash),
		Partial: time.Duration(c.Files.Partial),
	}
}

// shared is sandbox for the folders of groups.
func (c Config) shared() sandbox.Options {
	opt := c.sandbox()
	opt.Quota.Bytes = int64(c.Files.GroupQuota)
	return opt
}

// outbox is the bound that line knows: it has no word for none.
func outbox(n Size) int {
	if n == 0 {
		return math.MaxInt
	}
	return int(n)
}

// lineOptions are those of a protocol's new connections.
func (s *Server) lineOptions(name string, c Config) *line.Options {
	opt := &line.Options{
		Log:              s.log.With("protocol", name),
		TLS:              s.tls[name],
		HandshakeTimeout: time.Duration(c.Limits.HandshakeTimeout),
		Slots:            *s.slots.Load(),
		LoginTimeout:     time.Duration(c.Login.Timeout),
		WriteTimeout:     time.Duration(c.Limits.WriteTimeout),
		Outbox:           outbox(c.Limits.Outbox),
		Counters:         &s.metrics.transfers,
		Lot:              s.lot,
		MaxErrors:        c.Login.MaxErrors,
		MaxLines:         c.Login.MaxLines,
		MaxBytes:         int(c.Login.MaxBytes),
	}
	if name == ProtocolFiles {
		opt.IdleTimeout = time.Duration(c.Files.IdleTimeout)
		opt.DataTimeout = time.Duration(c.Files.UploadTimeout)
	}
	return opt
}
