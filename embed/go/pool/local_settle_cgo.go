//go:build cgo && !mantisdb_remote

package pool

// #include "local.h"
import "C"

import (
	"context"
	"sync"
	"unsafe"
)

// settling waits for commits for all goroutines together: the database makes commits final in groups, and for each group
// one question and one event cross the border to the library. Whether its own commit is among them a goroutine asks when
// it is woken, which does not wait.
type settling struct {
	lock sync.Mutex
	// Those who wait, in no order.
	waiters []*settleWait
	// A question is under way; its event comes.
	isAsked bool
	// What the library says of a question that it refuses.
	told C.mantis_error
}

// settleWait is one who waits. It belongs to a session, which uses it again.
type settleWait struct {
	version C.uint64_t
	woken   chan struct{}
	// failed is why there was no question, if that is so.
	failed error
}

// settlingEvent is in the place of a number of a wait: it is that of settling.
const settlingEvent = 0

// await waits until the commit may be final. An error is the context's, or says that nobody can be asked.
func (settling *settling) await(ctx context.Context, local *local, wait *settleWait) error {
	wait.failed = nil
	settling.lock.Lock()
	settling.waiters = append(settling.waiters, wait)
	settling.ask(local)
	settling.lock.Unlock()
	select {
	case <-wait.woken:
	case <-ctx.Done():
		if settling.leave(wait) {
			return ctx.Err()
		}
		<-wait.woken
	}
	return wait.failed
}

// leave takes one who waits off the list, and tells whether it was there still.
func (settling *settling) leave(wait *settleWait) bool {
	settling.lock.Lock()
	defer settling.lock.Unlock()
	for index, other := range settling.waiters {
		if other == wait {
			settling.remove(index)
			return true
		}
	}
	return false
}

func (settling *settling) remove(index int) {
	last := len(settling.waiters) - 1
	settling.waiters[index] = settling.waiters[last]
	settling.waiters[last] = nil
	settling.waiters = settling.waiters[:last]
}

// ask asks for the oldest commit, unless a question is under way or nobody waits. The lock is held.
func (settling *settling) ask(local *local) {
	if settling.isAsked || len(settling.waiters) == 0 {
		return
	}
	oldest := settling.waiters[0].version
	for _, wait := range settling.waiters {
		if wait.version < oldest {
			oldest = wait.version
		}
	}
	settling.told.size = C.uint32_t(unsafe.Sizeof(settling.told))
	status := C.mantis_pool_settle_start(local.pool, oldest, local.queue, settlingEvent, nil, &settling.told)
	settling.isAsked = status >= 0
	if status < 0 {
		settling.wake(func(wait *settleWait) bool { wait.failed = failedAs(status, &settling.told); return true })
	}
}

// wake wakes those whom `is` names. The lock is held.
func (settling *settling) wake(is func(*settleWait) bool) {
	for index := len(settling.waiters) - 1; index >= 0; index-- {
		if wait := settling.waiters[index]; is(wait) {
			settling.remove(index)
			wait.woken <- struct{}{}
		}
	}
}

// answered takes the event of a question. Its version is the newest commit that is visible; after a failure all look for
// themselves.
func (settling *settling) answered(local *local, event *C.mantis_event) {
	settling.lock.Lock()
	defer settling.lock.Unlock()
	settling.isAsked = false
	isFailed := event.status != C.MANTIS_OK
	settling.wake(func(wait *settleWait) bool { return isFailed || wait.version <= event.version })
	settling.ask(local)
}

// settle waits until a commit of the session is final, and tells whether it is durable.
func (session *localSession) settle(ctx context.Context, version C.uint64_t) (bool, error) {
	wait := &session.wait
	if wait.woken == nil {
		wait.woken = make(chan struct{}, 1)
	}
	wait.version = version
	for {
		if err := session.local.settling.await(ctx, session.local, wait); err != nil {
			return false, unknown(err)
		}
		scratch := session.scratch
		status := C.mantis_conn_wait_settled(session.conn, version, 0, C.mantis_token{}, &scratch.written, &scratch.error)
		switch {
		case status == C.MANTIS_OK:
			return scratch.written.flags&C.MANTIS_DURABLE != 0, nil
		case status < 0:
			return false, failed(status, scratch)
		}
	}
}
