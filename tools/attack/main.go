// Command attack attacks a facestream from outside, as the actors of docs/security.md would: it starts the built programs,
// sends hostile records, uploads hostile pictures, damages files, and says of each attack whether facestream held. It is a
// table; each file has the attacks of some actors.
//
// A verdict is one of: held; broken, with what happened; open, where nothing stops the attack yet and the table says why;
// not tried, where this machine lacks what the attack needs. The exit code is 1 when an attack is broken.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// attack is one row of the table. It has one of open, running and alone.
type attack struct {
	name  string
	actor string
	tried string // what is done
	open  string // why nothing stops it; such an attack is listed and not carried out
	// running attacks a facestream that other attacks share. It returns what happened; the error says what broke.
	running func(context.Context, *facestream) (string, error)
	// alone starts what it attacks.
	alone func(context.Context, *lab) (string, error)
}

// table has every attack.
func table() []attack {
	return slices.Concat(producers(), uploaders(), networks(), operators(), disks(), modelFiles(), unstopped())
}

// notTried says why an attack could not be carried out here.
type notTried struct{ why string }

func (n notTried) Error() string { return n.why }

// limit is how long one attack may take, on a machine with other work to do.
const limit = 3 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	bin := flag.String("bin", "bin", "folder of the built programs")
	only := flag.String("only", "", "regular expression: the names of the attacks to carry out")
	sample := flag.Int("sample", 0, "carry out this many attacks, chosen at random; 0: all")
	seed := flag.Uint64("seed", uint64(time.Now().Unix()), "seed of that choice")
	keep := flag.Bool("keep", false, "keep the folder with the logs")
	flag.Parse()
	broken, err := run(ctx, *bin, *only, *sample, *seed, *keep)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	if broken > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, only string, sample int, seed uint64, keep bool) (broken int, err error) {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return 0, err
	}
	attacks := slices.DeleteFunc(table(), func(a attack) bool { return !chosen.MatchString(a.name) })
	if tried := slices.DeleteFunc(slices.Clone(attacks), func(a attack) bool { return a.open != "" }); sample > 0 && sample < len(tried) {
		rand.New(rand.NewPCG(seed, seed)).Shuffle(len(tried), func(i, j int) { tried[i], tried[j] = tried[j], tried[i] })
		attacks = append(tried[:sample], slices.DeleteFunc(attacks, func(a attack) bool { return a.open == "" })...)
		fmt.Printf("a sample of %d of the attacks, with -seed %d\n", sample, seed)
	}
	l, err := newLab(bin)
	if err != nil {
		return 0, err
	}
	defer func() {
		if keep {
			fmt.Println("kept:", l.dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(l.dir))
	}()
	began := time.Now()
	count := map[string]int{}
	var lock sync.Mutex
	say := func(a attack, took time.Duration, happened string, err error) {
		lock.Lock()
		defer lock.Unlock()
		verdict := "held"
		var missing notTried
		switch {
		case a.open != "":
			verdict, happened = "open", a.open
		case errors.As(err, &missing):
			verdict, happened = "not tried", missing.why
		case err != nil && rest()[a.name] != "":
			verdict, happened = "open", rest()[a.name]+": "+err.Error()
		case err != nil:
			verdict, happened = "broken", err.Error()
		}
		count[verdict]++
		fmt.Printf("%-9s  %-38s %s: %s -> %s (%.1f s)\n", verdict, a.name, a.actor, a.tried, strings.ReplaceAll(happened, "\n", " "), took.Seconds())
	}
	// Two lanes: the attacks on a running facestream one after the other, beside those that start their own.
	var lanes sync.WaitGroup
	lanes.Go(func() { l.attackRunning(ctx, attacks, say) })
	lanes.Go(func() {
		for _, a := range attacks {
			if a.alone == nil || ctx.Err() != nil {
				continue
			}
			began := time.Now()
			ctx, cancel := context.WithTimeout(ctx, limit)
			happened, err := a.alone(ctx, l)
			l.stopAll()
			cancel()
			say(a, time.Since(began), happened, err)
		}
	})
	lanes.Wait()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	for _, a := range attacks {
		if a.open != "" {
			say(a, 0, "", nil)
		}
	}
	fmt.Printf("%d attacks in %.0f s: %d held, %d broken, %d open, %d not tried\n", len(attacks), time.Since(began).Seconds(),
		count["held"], count["broken"], count["open"], count["not tried"])
	return count["broken"], nil
}

// attackRunning carries out the attacks that share a running facestream. One that was harmed is replaced.
func (l *lab) attackRunning(ctx context.Context, attacks []attack, say func(attack, time.Duration, string, error)) {
	var f *facestream
	defer func() {
		if f != nil {
			f.stop()
		}
	}()
	for _, a := range attacks {
		if a.running == nil || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, limit)
		happened, err := func() (string, error) {
			if f == nil {
				var err error
				if f, err = l.start(ctx, setup{apart: true}); err != nil {
					f = nil
					return "", fmt.Errorf("facestream did not start: %w", err)
				}
			}
			happened, err := a.running(ctx, f)
			if harmed := f.serves(ctx); harmed != nil {
				f.stop()
				f = nil
				err = errors.Join(err, fmt.Errorf("afterwards: %w", harmed))
			}
			return happened, err
		}()
		cancel()
		say(a, time.Since(began), happened, err)
	}
}
