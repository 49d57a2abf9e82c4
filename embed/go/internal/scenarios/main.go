// Scenarios does the steps of the repository's behaviour scenarios with package pool. A line of JSON comes in, a line of
// JSON goes out:
//
//	{"open":{"location":..}}   a new database on that server
//	{"open":{"stage":{..},"before":[..],"grants":..}}   a new database in this process; steps before its grants count
//	{"step":{..}}              the step's line of the transcript
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/mantisdb/mantisdb/embed/go/pool"
)

func main() {
	log.SetFlags(0)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	player := &player{ctx: context.Background()}
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			player.close()
			return
		}
		var question struct {
			Open *opening
			Step *step
		}
		if err := json.Unmarshal(line, &question); err != nil {
			log.Fatalf("%v in %s", err, line)
		}
		var answer any = "open"
		if question.Open != nil {
			player.open(question.Open)
		} else {
			answer = player.play(question.Step)
		}
		encoded, err := json.Marshal(answer)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprintf(out, "%s\n", encoded)
		out.Flush()
	}
}

// opening is a database on a server, or on the stage of one in this process.
type opening struct {
	Location string
	Stage    json.RawMessage
	Before   []*step
	Grants   *string
}

// step is a step as the scenarios' data has it.
type step struct {
	Operation json.RawMessage
	Bucket    string
	In, As    *string
	// Awaited is the number of changes that a feed is read for, however long that takes.
	Awaited uint64
}

// player has the state of a scenario: its transactions by name, each on a connection of its own, and its cursors.
type player struct {
	ctx          context.Context
	pool         *pool.ConnectionPool
	connection   *pool.PooledConnection
	transactions map[string]*transaction
	cursors      map[string]string
}

type transaction struct {
	*pool.Transaction
	connection *pool.PooledConnection
}

func (player *player) open(opening *opening) {
	player.close()
	config := pool.DefaultPoolConfig()
	config.MinConnections, config.Location = 0, opening.Location
	if opening.Stage != nil {
		setStage(string(opening.Stage))
		config.Location = ":memory:"
	}
	opened, err := pool.NewConnectionPool(config)
	if err != nil {
		log.Fatal(err)
	}
	player.pool = opened
	player.connection = player.acquire()
	player.transactions, player.cursors = map[string]*transaction{}, map[string]string{}
	for _, step := range opening.Before {
		if _, err := player.run(step); err != nil {
			log.Fatal(err)
		}
	}
	if opening.Grants != nil {
		player.connection.Release()
		setGrants(opening.Grants)
		player.connection = player.acquire()
	}
}

func (player *player) acquire() *pool.PooledConnection {
	connection, err := player.pool.Acquire(player.ctx)
	if err != nil {
		log.Fatal(err)
	}
	return connection
}

func (player *player) close() {
	if player.pool == nil {
		return
	}
	for _, transaction := range player.transactions {
		transaction.connection.Release()
	}
	player.connection.Release()
	if err := player.pool.Close(); err != nil {
		log.Fatal(err)
	}
}

// play returns the line that the step adds to the transcript.
func (player *player) play(step *step) any {
	answer, err := player.run(step)
	if err != nil {
		return toldError(err)
	}
	return answer
}

// within is what a step is done with: the connection, or the transaction that the step belongs to.
type within interface {
	Bucket(name string) *pool.Bucket
	Table(name string) *pool.Table
	Batch(ctx context.Context, operations ...pool.BatchOperation) (pool.Applied, error)
}

func (player *player) within(step *step) within {
	if step.In == nil {
		return player.connection
	}
	return player.transactions[*step.In]
}

func (player *player) run(step *step) (any, error) {
	var asked operation
	if err := json.Unmarshal(step.Operation, &asked); err != nil {
		log.Fatalf("%v in %s", err, step.Operation)
	}
	switch asked.Op {
	case "begin":
		connection := player.acquire()
		begun, err := connection.Begin(player.ctx, pool.TransactionOptions{})
		if err != nil {
			return nil, err
		}
		player.transactions[*step.In] = &transaction{begun, connection}
		return "begun", nil
	case "commit", "commit-again":
		written, err := player.transactions[*step.In].Commit(player.ctx)
		return toldCommit(line{}, "committed", written), err
	case "rollback":
		return "rolled back", player.transactions[*step.In].Rollback(player.ctx)
	case "advance-clock":
		return line{"now_ms": advanceClock(asked.MS)}, nil
	case "close-for-writes":
		closeForWrites()
		return "closed", nil
	case "buckets":
		buckets, err := player.connection.Buckets(player.ctx)
		listed := make([]any, len(buckets))
		for index, bucket := range buckets {
			listed[index] = []any{bucket.Name, bucket.Keys}
		}
		return line{"buckets": listed}, err
	case "drop-bucket":
		deleted, err := player.connection.DropBucket(player.ctx, step.Bucket)
		return toldCommit(line{"deleted_keys": deleted.Keys}, "version", deleted.Written), err
	case "changes", "row-changes":
		return player.follow(step, asked)
	case "batch":
		return player.batch(step, asked)
	case "create-table":
		isNew, err := player.connection.CreateTable(player.ctx, asked.Table, asked.Schema)
		return line{"created": isNew}, err
	case "alter-table":
		return "altered", player.connection.AlterTable(player.ctx, asked.Table, asked.Changes)
	case "drop-table":
		return "dropped", player.connection.DropTable(player.ctx, asked.Table)
	case "describe-table":
		definition, err := player.connection.DescribeTable(player.ctx, asked.Table)
		return line{"table": exact(definition)}, err
	case "tables":
		tables, err := player.connection.Tables(player.ctx)
		return line{"tables": tables}, err
	}
	if asked.Table != "" || asked.isOfRows() {
		return player.onTable(asked, player.within(step).Table(asked.Table))
	}
	return player.onBucket(step, asked, player.within(step).Bucket(step.Bucket))
}
