package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"facestream/internal/benchmark"
)

// jobPartitions is what facestream.jobs has by default.
const jobPartitions = 12

// backlog is the number of jobs that wait for each simulated worker, large enough that none runs out of work by chance.
const backlog = 15 * time.Second

// cores measures workers that compute, each on one core.
func cores(ctx context.Context, o options) error {
	n := runtime.NumCPU()
	fmt.Printf("workers with their networks, one core each, %d cores in turn; broker, store and this program beside them\n", n)
	fmt.Printf("%-5s  %7s  %5s  %8s  %13s  %12s\n", "round", "workers", "cores", "images/s", "images/s/core", "CPU ms/image")
	for round := range o.rounds {
		for _, workers := range []int{1, 2, 4} {
			err := with(ctx, o, jobPartitions, func(ctx context.Context, s *stand) error {
				for i := range workers {
					if err := s.add([]string{"GOMAXPROCS=1"}, "taskset", "-c", fmt.Sprint(i%n), filepath.Join(o.bin, "worker")); err != nil {
						return err
					}
				}
				if err := s.join(ctx); err != nil {
					return err
				}
				rate, cpu, err := s.rate(ctx, o.window, 100*workers)
				if err != nil {
					return err
				}
				used := min(workers, n)
				fmt.Printf("%-5d  %7d  %5d  %8.1f  %13.1f  %12.1f\n", round+1, workers, used, rate, rate/float64(used), cpu)
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// workers measures workers whose networks sleep.
func workers(ctx context.Context, o options) error {
	fmt.Printf("workers whose network sleeps %v an image\n", o.pause)
	fmt.Printf("%7s  %8s  %10s  %12s\n", "workers", "images/s", "of linear", "CPU ms/image")
	var one float64
	for n := 1; n <= o.most; n *= 2 {
		err := with(ctx, o, 3*o.most, func(ctx context.Context, s *stand) error {
			for range n {
				if err := s.addSleeper(o.pause); err != nil {
					return err
				}
			}
			if err := s.join(ctx); err != nil {
				return err
			}
			rate, cpu, err := s.rate(ctx, o.window, n*int(backlog/o.pause))
			if err != nil {
				return err
			}
			if n == 1 {
				one = rate
			}
			fmt.Printf("%7d  %8.1f  %10.2f  %12.1f\n", n, rate, rate/one/float64(n), cpu)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// The load of rebalance: a little more than a third of its workers' capacity.
const (
	crew       = 4
	crewPause  = 50 * time.Millisecond
	crewPeriod = 33 * time.Millisecond
)

// rebalance measures pauses.
func rebalance(ctx context.Context, o options) error {
	fmt.Printf("%d workers whose network sleeps %v, a job every %v, kafka.session_timeout %v\n", crew, crewPause, crewPeriod, o.session)
	fmt.Printf("%-5s  %-8s  %20s  %15s\n", "round", "worker", "longest without any", "slowest answer")
	return with(ctx, o, jobPartitions, func(ctx context.Context, s *stand) error {
		timeout := "FACESTREAM_KAFKA_SESSION_TIMEOUT=" + o.session.String()
		for range crew {
			if err := s.addSleeper(crewPause, timeout); err != nil {
				return err
			}
		}
		if err := s.join(ctx); err != nil {
			return err
		}
		feeding, stop := context.WithCancel(ctx)
		fed := make(chan error, 1)
		go func() {
			tick := time.NewTicker(crewPeriod)
			defer tick.Stop()
			for {
				select {
				case <-feeding.Done():
					fed <- nil
					return
				case <-tick.C:
					if err := s.send(ctx, 1); err != nil {
						fed <- err
						return
					}
				}
			}
		}()
		defer stop()
		fifth := func() *benchmark.Process {
			p := s.workers[crew]
			s.workers = s.workers[:crew]
			return p
		}
		for round := range o.rounds {
			for _, event := range []struct {
				name string
				do   func() error
			}{
				{"none", func() error { return nil }},
				{"joins", func() error { return s.addSleeper(crewPause, timeout) }},
				{"SIGTERM", func() error { return fifth().Terminate() }},
				{"joins", func() error { return s.addSleeper(crewPause, timeout) }},
				{"SIGKILL", func() error { fifth().Kill(); return nil }},
			} {
				began := time.Now()
				if err := event.do(); err != nil {
					return err
				}
				select {
				case <-time.After(o.session + 6*time.Second):
				case err := <-fed:
					return err
				case <-ctx.Done():
					return ctx.Err()
				}
				quiet, slowest := s.pauses(began, time.Now())
				if err := s.join(ctx); err != nil {
					return err
				}
				fmt.Printf("%-5d  %-8s  %20s  %15s\n", round+1, event.name, quiet.Round(10*time.Millisecond), slowest.Round(10*time.Millisecond))
			}
		}
		stop()
		if err := <-fed; err != nil {
			return err
		}
		if err := s.settle(ctx); err != nil {
			return err
		}
		fmt.Printf("%d jobs, each answered\n", len(s.jobs))
		return nil
	})
}

// pauses returns the longest time without a result between two moments, and the longest wait of a job in progress
// between them. A job without a result counts as waiting until the end.
func (s *stand) pauses(from, to time.Time) (quiet, slowest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := from
	for _, at := range s.arrivals {
		if at.After(from) && at.Before(to) {
			quiet, last = max(quiet, at.Sub(last)), at
		}
	}
	quiet = max(quiet, to.Sub(last))
	for _, j := range s.jobs {
		at := j.answered
		if at.IsZero() {
			at = to
		}
		if at.After(from) && j.sent.Before(to) {
			slowest = max(slowest, at.Sub(j.sent))
		}
	}
	return quiet, slowest
}
