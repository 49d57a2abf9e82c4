package pool

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// PoolConfig says where the database is and how many connections there may be. The zero value of a field is its
// default, except for MinConnections.
type PoolConfig struct {
	// MinConnections is the number of connections that idleness never closes. 0 is a number too.
	MinConnections int
	// MaxConnections is the number of connections that may be out and idle together. Default: 1,000.
	MaxConnections int
	// MaxIdleTime is the time after which an idle connection beyond MinConnections is closed. Default: 5 minutes.
	MaxIdleTime time.Duration
	// ConnectionTimeout is how long Acquire waits for a connection. Default: 10 seconds.
	ConnectionTimeout time.Duration

	// Location is the server's URL (http or https), or the path of a database's directory, which is made if it does not
	// exist. If it is empty, the environment variable MANTISDB_URL counts, and without that the database is in memory
	// and ends with the pool.
	Location string
	// HTTP sends the requests to a server in place of a transport of the pool's own. Close leaves it open.
	HTTP http.RoundTripper
	// Header is sent with every request to a server, such as an Authorization for a proxy before it.
	Header http.Header
	// AnswerBytesMax is the longest answer that is taken from a server. Default: 256 MiB.
	AnswerBytesMax int64
}

const (
	maxConnectionsDefault = 1_000
	minConnectionsDefault = 10
	maxIdleTimeDefault    = 5 * time.Minute
	timeoutDefault        = 10 * time.Second
	answerBytesDefault    = 256 << 20
	// Bounds the memory of the pool's own lists.
	maxConnectionsMost = 1 << 20
)

// DefaultPoolConfig returns 10 to 1,000 connections, 5 minutes of idleness, 10 seconds of waiting, and no location.
func DefaultPoolConfig() *PoolConfig {
	return &PoolConfig{
		MinConnections:    minConnectionsDefault,
		MaxConnections:    maxConnectionsDefault,
		MaxIdleTime:       maxIdleTimeDefault,
		ConnectionTimeout: timeoutDefault,
	}
}

// complete returns a checked copy in which every field has a value.
func (config *PoolConfig) complete() (*PoolConfig, error) {
	if config == nil {
		config = DefaultPoolConfig()
	}
	full := *config
	if full.MaxConnections == 0 {
		full.MaxConnections = maxConnectionsDefault
	}
	if full.MaxIdleTime == 0 {
		full.MaxIdleTime = maxIdleTimeDefault
	}
	if full.ConnectionTimeout == 0 {
		full.ConnectionTimeout = timeoutDefault
	}
	if full.AnswerBytesMax == 0 {
		full.AnswerBytesMax = answerBytesDefault
	}
	if full.Location == "" {
		full.Location = os.Getenv("MANTISDB_URL")
	}
	full.Header = config.Header.Clone()
	switch {
	case full.MaxConnections < 1 || full.MaxConnections > maxConnectionsMost:
		return nil, invalid(fmt.Sprintf("MaxConnections is 1 to %d, not %d", maxConnectionsMost, full.MaxConnections))
	case full.MinConnections < 0 || full.MinConnections > full.MaxConnections:
		return nil, invalid(fmt.Sprintf("MinConnections is 0 to MaxConnections, %d, not %d",
			full.MaxConnections, full.MinConnections))
	case full.MaxIdleTime < 0, full.ConnectionTimeout < 0, full.AnswerBytesMax < 0:
		return nil, invalid("times and sizes are not negative")
	}
	return &full, nil
}

// isRemote tells whether the location is a server's.
func (config *PoolConfig) isRemote() bool {
	scheme, _, found := strings.Cut(config.Location, "://")
	return found && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}
