//go:build profile

package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

// init lets the benchmarks see where the time goes; no product is built with
// this file. From SIGUSR1 to SIGUSR2 the processor's time is profiled, into the
// file POSKO_PROFILE, which appears when the profile is complete.
func init() {
	path := os.Getenv("POSKO_PROFILE")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		var file *os.File
		for s := range signals {
			if s == syscall.SIGUSR1 {
				var err error
				if file, err = os.Create(path + ".new"); err != nil {
					panic(err)
				}
				if err := pprof.StartCPUProfile(file); err != nil {
					panic(err)
				}
				continue
			}
			pprof.StopCPUProfile()
			if err := file.Close(); err != nil {
				panic(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				panic(err)
			}
		}
	}()
}
