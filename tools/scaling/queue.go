package main

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
)

// worker is what each worker does with an image; times are in seconds.
type worker struct {
	cores     int
	core      float64 // mean time on a core
	variation float64 // standard deviation of that, divided by the mean
	// batch is the most images that a device behind the cores takes at once; 0: there is none.
	batch     int
	call, row float64 // time of a batch, and of each image of it
	wait      float64 // how long the first image of a batch waits for others, at most
}

// capacity is the images a second of a worker that never waits.
func (w worker) capacity() float64 {
	c := float64(w.cores) / w.core
	if w.batch > 0 {
		c = min(c, float64(w.batch)/(w.call+float64(w.batch)*w.row))
	}
	return c
}

// scenario is a load and who takes it.
type scenario struct {
	worker
	rate                float64 // images a second
	workers, partitions int
}

// outcome is what a simulation shows; times are in seconds, without those of the records in transit.
type outcome struct {
	p50, p99 float64
	// busiest is the load of the busiest worker, divided by its capacity: at 1 and above its queue grows for as long as the load lasts.
	busiest float64
}

// leastArrivals and leastSeconds bound a simulation from below, and mostArrivals from above.
const (
	leastArrivals = 100_000
	leastSeconds  = 10
	mostArrivals  = 400_000
)

// simulate lets images arrive at random times (a Poisson process), each in the partition that the hash of its request gives it. The
// partitions are dealt out to the workers in turn. Each worker takes its images in the order of their arrival.
func (s scenario) simulate(seed uint64) outcome {
	random := rand.New(rand.NewPCG(seed, uint64(s.partitions)))
	n := min(max(leastArrivals, int(s.rate*leastSeconds)), mostArrivals)
	queues := make([][]float64, s.workers)
	now := 0.0
	for range n {
		now += random.ExpFloat64() / s.rate
		w := random.IntN(s.partitions) % s.workers
		queues[w] = append(queues[w], now)
	}
	var took []float64
	for _, arrivals := range queues {
		took = append(took, s.serve(arrivals, random)...)
	}
	slices.Sort(took)
	at := func(q float64) float64 { return took[int(q*float64(len(took)-1))] }
	share := math.Ceil(float64(s.partitions)/float64(s.workers)) / float64(s.partitions) // of the images, at the busiest worker
	return outcome{p50: at(0.5), p99: at(0.99), busiest: share * s.rate / s.capacity()}
}

// serve returns how long each image took at a worker, from its arrival on.
func (w worker) serve(arrivals []float64, random *rand.Rand) []float64 {
	// A lognormal time with this mean and variation.
	sigma := math.Sqrt(math.Log(1 + w.variation*w.variation))
	mu := math.Log(w.core) - sigma*sigma/2
	free := make(times, w.cores) // when each core is
	type image struct{ arrived, ready float64 }
	images := make([]image, len(arrivals))
	for i, t := range arrivals {
		ready := max(t, free[0]) + math.Exp(mu+sigma*random.NormFloat64())
		free[0] = ready
		heap.Fix(&free, 0)
		images[i] = image{t, ready}
	}
	took := make([]float64, 0, len(images))
	if w.batch == 0 {
		for _, i := range images {
			took = append(took, i.ready-i.arrived)
		}
		return took
	}
	slices.SortFunc(images, func(a, b image) int {
		switch {
		case a.ready < b.ready:
			return -1
		case a.ready > b.ready:
			return 1
		}
		return 0
	})
	device := 0.0 // when it is free
	for len(images) > 0 {
		begin := images[0].ready + w.wait
		if len(images) >= w.batch {
			begin = min(begin, images[w.batch-1].ready)
		}
		begin = max(begin, device)
		n := 1
		for n < min(w.batch, len(images)) && images[n].ready <= begin {
			n++
		}
		device = begin + w.call + float64(n)*w.row
		for _, i := range images[:n] {
			took = append(took, device-i.arrived)
		}
		images = images[n:]
	}
	return took
}

// times are a heap, the earliest first.
type times []float64

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i] < t[j] }
func (t times) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *times) Push(x any)        { *t = append(*t, x.(float64)) }
func (t *times) Pop() any {
	last := (*t)[len(*t)-1]
	*t = (*t)[:len(*t)-1]
	return last
}
