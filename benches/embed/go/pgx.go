//go:build pgx

package main

import (
	"fmt"
	"log"
	"net"

	"github.com/jackc/pgproto3/v2"
	"github.com/jackc/pgx/v4/pgxpool"
)

// pgx's pool has connections to a server that only greets: acquiring and releasing asks for nothing.
func init() {
	pgx = func() func() error {
		listener := must(net.Listen("tcp", "127.0.0.1:0"))
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				go greet(connection)
			}
		}()
		config := must(pgxpool.ParseConfig(fmt.Sprintf(
			"postgres://bench@%s/bench?sslmode=disable&pool_max_conns=%d&pool_min_conns=%d", listener.Addr(), most, most)))
		made := must(pgxpool.ConnectConfig(ctx, config))
		return func() error {
			connection, err := made.Acquire(ctx)
			if err == nil {
				connection.Release()
			}
			return err
		}
	}
}

func greet(connection net.Conn) {
	backend := pgproto3.NewBackend(pgproto3.NewChunkReader(connection), connection)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	for _, message := range []pgproto3.BackendMessage{
		&pgproto3.AuthenticationOk{}, &pgproto3.BackendKeyData{ProcessID: 1, SecretKey: 1},
		&pgproto3.ReadyForQuery{TxStatus: 'I'},
	} {
		if err := backend.Send(message); err != nil {
			log.Fatal(err)
		}
	}
	for {
		if _, err := backend.Receive(); err != nil {
			return
		}
	}
}
