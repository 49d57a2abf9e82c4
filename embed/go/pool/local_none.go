package pool

func openLocal(*PoolConfig) (transport, error) { return nil, ErrNotBuilt }
