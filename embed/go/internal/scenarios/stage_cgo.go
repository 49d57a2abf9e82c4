//go:build cgo && mantisdb_testing

package main

/*
#cgo LDFLAGS: -lmantisdb_c
#include <stdlib.h>
#include <mantisdb_testing.h>
*/
import "C"

import (
	"log"
	"unsafe"
)

// The stage of a local database, which the library for tests sets.

// setStage makes the database that the next pool opens.
func setStage(settings string) {
	text := C.CString(settings)
	defer C.free(unsafe.Pointer(text))
	demand(C.mantis_test_stage(text, C.size_t(len(settings))))
}

// setGrants says what connections may do from now on; nil: everything.
func setGrants(grants *string) {
	if grants == nil {
		demand(C.mantis_test_grants(nil, 0))
		return
	}
	text := C.CString(*grants)
	defer C.free(unsafe.Pointer(text))
	demand(C.mantis_test_grants(text, C.size_t(len(*grants))))
}

func advanceClock(ms uint64) uint64 {
	var now C.uint64_t
	demand(C.mantis_test_advance_clock(C.uint64_t(ms), &now))
	return uint64(now)
}

func closeForWrites() { demand(C.mantis_test_close_for_writes()) }

func demand(status C.int32_t) {
	if status != 0 {
		log.Fatal("the library for tests has refused a call")
	}
}
