package pool

// PoolStats are figures of a pool, all read at one moment:
//
//	TotalConnections   = ActiveConnections + IdleConnections + CreatingConnections
//	ConnectionsCreated = ConnectionsClosed + ActiveConnections + IdleConnections
//	WaitCount          = WaitsGranted + WaitTimeouts + WaitsGivenUp + WaitingRequests
//
// Counters count since the pool was made.
type PoolStats struct {
	// TotalConnections, ActiveConnections (out), IdleConnections and CreatingConnections (being made) are numbers now.
	TotalConnections, ActiveConnections, IdleConnections, CreatingConnections int
	// MaxConnections is the limit.
	MaxConnections int
	// WaitingRequests is the number of Acquire calls that wait now.
	WaitingRequests int
	// AcquireCount counts connections that were handed out.
	AcquireCount uint64
	// WaitCount counts the calls that had to wait, however their wait ended.
	WaitCount uint64
	// WaitsGranted counts the waits that ended with a connection, WaitTimeouts those that ended at ConnectionTimeout, and
	// WaitsGivenUp those that ended otherwise: with their context, or with the pool.
	WaitsGranted, WaitTimeouts, WaitsGivenUp uint64
	// WaitTimeMs is the time of all waits that ended with a connection, MaxWaitTimeMs the longest of them, and
	// AvgWaitTimeMs their average, in milliseconds.
	WaitTimeMs, AvgWaitTimeMs, MaxWaitTimeMs uint64
	// ConnectionsCreated and ConnectionsClosed count connections that were made and ended.
	ConnectionsCreated, ConnectionsClosed uint64
	// CreateFailures counts connections that could not be made.
	CreateFailures uint64
	// HealthCheckFailures counts idle connections that were found broken.
	HealthCheckFailures uint64
}
