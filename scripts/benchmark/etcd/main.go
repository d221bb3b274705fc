// A load for etcd: puts of distinct keys, spread over all members, each counted when its member has acknowledged it.
//
//	client -endpoints A,B,C,D -count 20000 -in-flight 4000 -batch 1 -value-bytes 400
//
// With -batch N one request is a transaction of N puts: one entry of the log, applied whole or not at all. It prints one
// JSON object: seconds and acknowledged puts between the first and the last tenth, the latency of a request (ms), the
// CPU-seconds of this process, and how many of the keys every member has in the end, by a linearizable read.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/clientv3"
)

const connectionsPerMember = 4 // one connection would serve all requests of a member in turn
const timeout = 60 * time.Second

func main() {
	endpoints := flag.String("endpoints", "", "the members' client URLs, separated by commas")
	count := flag.Int("count", 20000, "puts, a multiple of 10 times -batch")
	inFlight := flag.Int("in-flight", 1000, "puts sent and not yet acknowledged, at most")
	batch := flag.Int("batch", 1, "puts in one request")
	valueBytes := flag.Int("value-bytes", 400, "of random bytes in each value")
	flag.Parse()
	members := strings.Split(*endpoints, ",")
	clients := connect(members)
	prefix := fmt.Sprintf("run-%d/", time.Now().UnixNano())
	requests := prepare(prefix, *count / *batch, *batch, *valueBytes)

	var next, done int64 = -1, 0
	var started, ended time.Time
	edge := int64(len(requests) / 10)
	latencies := make([]float64, len(requests))
	var workers sync.WaitGroup
	workers.Add(*inFlight / *batch)
	for worker := 0; worker < *inFlight / *batch; worker++ {
		client := clients[worker%len(clients)]
		go func() {
			defer workers.Done()
			for {
				mine := atomic.AddInt64(&next, 1)
				if mine >= int64(len(requests)) {
					return
				}
				begun := time.Now()
				send(client, requests[mine])
				latencies[mine] = time.Since(begun).Seconds() * 1000
				switch atomic.AddInt64(&done, 1) {
				case edge:
					started = time.Now()
				case int64(len(requests)) - edge:
					ended = time.Now()
				}
			}
		}()
	}
	workers.Wait()
	sort.Float64s(latencies)
	answer := map[string]interface{}{
		"seconds":     ended.Sub(started).Seconds(),
		"puts":        (len(requests) - 2*int(edge)) * *batch,
		"ms_p50":      latencies[len(latencies)/2],
		"ms_p99":      latencies[len(latencies)*99/100],
		"cpu_seconds": cpuSeconds(),
		"keys":        keys(members, prefix),
	}
	check(json.NewEncoder(os.Stdout).Encode(answer))
}

func connect(members []string) []*clientv3.Client {
	var clients []*clientv3.Client
	for connection := 0; connection < connectionsPerMember; connection++ {
		for _, member := range members {
			client, err := clientv3.New(clientv3.Config{Endpoints: []string{member}, DialTimeout: timeout})
			check(err)
			clients = append(clients, client)
		}
	}
	return clients
}

// Everything is made before anything is timed.
func prepare(prefix string, count, batch, valueBytes int) [][]clientv3.Op {
	requests := make([][]clientv3.Op, count)
	for request := range requests {
		for put := 0; put < batch; put++ {
			value := make([]byte, valueBytes)
			_, err := rand.Read(value)
			check(err)
			key := prefix + hex.EncodeToString(value[:16])
			requests[request] = append(requests[request], clientv3.OpPut(key, string(value)))
		}
	}
	return requests
}

func send(client *clientv3.Client, puts []clientv3.Op) {
	limited, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if len(puts) == 1 {
		_, err := client.Do(limited, puts[0])
		check(err)
		return
	}
	_, err := client.Txn(limited).Then(puts...).Commit()
	check(err)
}

func keys(members []string, prefix string) []int64 {
	var counts []int64
	for _, member := range members {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{member}, DialTimeout: timeout})
		check(err)
		limited, cancel := context.WithTimeout(context.Background(), timeout)
		answer, err := client.Get(limited, prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
		cancel()
		check(err)
		counts = append(counts, answer.Count)
	}
	return counts
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
