//go:build !cgo || mantisdb_remote

package pool

func openLocal(*PoolConfig) (transport, error) { return nil, ErrNotBuilt }
