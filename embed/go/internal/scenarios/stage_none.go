//go:build !cgo || !mantisdb_testing

package main

import "log"

// Who has the server has its stage too: the test that runs the steps.

func setStage(string)   { log.Fatal("there is no stage without the library for tests") }
func setGrants(*string) { log.Fatal("there are no grants without the library for tests") }
func advanceClock(uint64) uint64 {
	log.Fatal("there is no clock without the library for tests")
	return 0
}
func closeForWrites() { log.Fatal("nothing can be closed without the library for tests") }
