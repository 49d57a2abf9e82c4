package pool

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// slots hands out at most so many sessions: the most recently used first, and to waiters in the order of their calls.
// A session that is released while somebody waits goes to the first waiter directly, so that no newcomer overtakes.
type slots struct {
	least, most int
	idleTime    time.Duration
	timeout     time.Duration
	// create makes a session, without waiting for anything.
	create func() session
	// now is the clock, which tests replace.
	now func() time.Time

	lock sync.Mutex
	// idle is in the order of release: the end was used last.
	idle     []idleSession
	waiters  list.List // of *waiter
	active   int
	isClosed bool
	counts   struct {
		acquired, waits, timeouts, created, closed uint64
		waited, waitedMost                         time.Duration
		granted, givenUp                           uint64
	}
}

type idleSession struct {
	session session
	since   time.Time
}

type waiter struct {
	// Has room for one session, and is closed when the pool is.
	handed chan session
	since  time.Time
}

func newSlots(config *PoolConfig, create func() session) *slots {
	slots := &slots{
		least:    config.MinConnections,
		most:     config.MaxConnections,
		idleTime: config.MaxIdleTime,
		timeout:  config.ConnectionTimeout,
		create:   create,
		now:      time.Now,
	}
	for len(slots.idle) < slots.least {
		slots.idle = append(slots.idle, idleSession{create(), slots.now()})
	}
	slots.counts.created = uint64(slots.least)
	return slots
}

func (slots *slots) acquire(ctx context.Context) (session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slots.lock.Lock()
	if slots.isClosed {
		slots.lock.Unlock()
		return nil, ErrPoolClosed
	}
	if free := slots.takeFree(); free != nil {
		slots.lock.Unlock()
		return free, nil
	}
	waiting := &waiter{make(chan session, 1), slots.now()}
	place := slots.waiters.PushBack(waiting)
	slots.counts.waits++
	slots.lock.Unlock()

	timer := time.NewTimer(slots.timeout)
	defer timer.Stop()
	select {
	case handed, isOpen := <-waiting.handed:
		if !isOpen {
			return nil, ErrPoolClosed
		}
		return handed, nil
	case <-ctx.Done():
		return slots.leave(place, waiting, ctx.Err())
	case <-timer.C:
		return slots.leave(place, waiting, ErrConnectionTimeout)
	}
}

// takeFree takes an idle session or makes one. The lock is held.
func (slots *slots) takeFree() session {
	slots.closeIdle()
	var free session
	if last := len(slots.idle) - 1; last >= 0 {
		free = slots.idle[last].session
		slots.idle[last] = idleSession{}
		slots.idle = slots.idle[:last]
	} else if slots.active < slots.most {
		free = slots.create()
		slots.counts.created++
	} else {
		return nil
	}
	slots.active++
	slots.counts.acquired++
	return free
}

// leave ends a wait in vain. A session that was handed over meanwhile is taken in spite of a time-out, and goes on to the
// next one if the context has ended.
func (slots *slots) leave(place *list.Element, waiting *waiter, why error) (session, error) {
	slots.lock.Lock()
	select {
	case handed, isOpen := <-waiting.handed:
		slots.lock.Unlock()
		switch {
		case !isOpen:
			return nil, ErrPoolClosed
		case why == error(ErrConnectionTimeout):
			return handed, nil
		}
		slots.release(handed)
		return nil, why
	default:
	}
	slots.waiters.Remove(place)
	if why == error(ErrConnectionTimeout) {
		slots.counts.timeouts++
	} else {
		slots.counts.givenUp++
	}
	slots.lock.Unlock()
	return nil, why
}

func (slots *slots) release(session session) {
	slots.lock.Lock()
	defer slots.lock.Unlock()
	if first := slots.waiters.Front(); first != nil && !slots.isClosed {
		waiting := slots.waiters.Remove(first).(*waiter)
		waited := slots.now().Sub(waiting.since)
		slots.counts.waited += waited
		slots.counts.granted++
		if waited > slots.counts.waitedMost {
			slots.counts.waitedMost = waited
		}
		slots.counts.acquired++
		waiting.handed <- session
		return
	}
	slots.active--
	if slots.isClosed {
		slots.counts.closed++
		return
	}
	slots.idle = append(slots.idle, idleSession{session, slots.now()})
	slots.closeIdle()
}

// closeIdle forgets sessions that were idle for too long. The lock is held.
func (slots *slots) closeIdle() {
	expired, now := 0, slots.now()
	for expired < len(slots.idle) && slots.active+len(slots.idle)-expired > slots.least &&
		now.Sub(slots.idle[expired].since) > slots.idleTime {
		expired++
	}
	if expired > 0 {
		slots.idle = append(slots.idle[:0], slots.idle[expired:]...)
		slots.counts.closed += uint64(expired)
	}
}

func (slots *slots) stats() PoolStats {
	slots.lock.Lock()
	defer slots.lock.Unlock()
	slots.closeIdle()
	counts := slots.counts
	stats := PoolStats{
		TotalConnections:   slots.active + len(slots.idle),
		ActiveConnections:  slots.active,
		IdleConnections:    len(slots.idle),
		MaxConnections:     slots.most,
		WaitingRequests:    slots.waiters.Len(),
		AcquireCount:       counts.acquired,
		WaitCount:          counts.waits,
		WaitsGranted:       counts.granted,
		WaitTimeouts:       counts.timeouts,
		WaitsGivenUp:       counts.givenUp,
		WaitTimeMs:         uint64(counts.waited.Milliseconds()),
		MaxWaitTimeMs:      uint64(counts.waitedMost.Milliseconds()),
		ConnectionsCreated: counts.created,
		ConnectionsClosed:  counts.closed,
	}
	if counts.granted > 0 {
		stats.AvgWaitTimeMs = stats.WaitTimeMs / counts.granted
	}
	return stats
}

// close wakes all waiters. It tells whether the pool was open.
func (slots *slots) close() bool {
	slots.lock.Lock()
	defer slots.lock.Unlock()
	if slots.isClosed {
		return false
	}
	slots.isClosed = true
	for place := slots.waiters.Front(); place != nil; place = slots.waiters.Front() {
		close(slots.waiters.Remove(place).(*waiter).handed)
		slots.counts.givenUp++
	}
	slots.counts.closed += uint64(len(slots.idle))
	slots.idle = nil
	return true
}
