package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"
)

// A round holds the measurements of one round. All are of the same number of events.
type round struct {
	first, last measurement // of the baseline
	limit       measurement
	pawl        []measurement // one for each program
}

// baselineTime returns the mean of the baseline's two times in the round.
func (r round) baselineTime() time.Duration { return (r.first.elapsed + r.last.elapsed) / 2 }

// report prints the speed of the limit and of each program as a ratio to the baseline of the same round: more than 1 is faster.
func report(out io.Writer, opts options, programs []program, rounds []round) error {
	fmt.Fprintf(out, "%d events, pages of %d, %d rounds, latency %s, %d %% stored beforehand\n\n",
		opts.events, opts.pageSize, len(rounds), opts.latency, opts.stored)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "program\tevents/s\tratio\tspread\t95 % interval\town CPU s/M\tPostgreSQL CPU s/M\tpeak MiB")
	row := func(name string, of func(round) measurement, ratio func(round) float64) {
		ratios := collect(rounds, ratio)
		low, high := interval(ratios)
		perMillion := func(d func(measurement) time.Duration) float64 {
			return median(collect(rounds, func(r round) float64 { return d(of(r)).Seconds() / float64(opts.events) * 1e6 }))
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.2f–%.2f\t%.2f–%.2f\t%.2f\t%.2f\t%.0f\n", name,
			median(collect(rounds, func(r round) float64 { return float64(opts.events) / of(r).elapsed.Seconds() })),
			median(ratios), slices.Min(ratios), slices.Max(ratios), low, high,
			perMillion(func(m measurement) time.Duration { return m.cpu }),
			perMillion(func(m measurement) time.Duration { return m.postgres }),
			median(collect(rounds, func(r round) float64 { return float64(of(r).peak) / (1 << 20) })))
	}
	row("baseline (A/A: first to last)", func(r round) measurement { return r.first },
		func(r round) float64 { return r.last.elapsed.Seconds() / r.first.elapsed.Seconds() })
	row("limit", func(r round) measurement { return r.limit },
		func(r round) float64 { return r.baselineTime().Seconds() / r.limit.elapsed.Seconds() })
	for i, p := range programs {
		row(p.name, func(r round) measurement { return r.pawl[i] },
			func(r round) float64 { return r.baselineTime().Seconds() / r.pawl[i].elapsed.Seconds() })
	}
	if len(programs) == 2 {
		row("pawl to "+programs[1].name, func(r round) measurement { return r.pawl[0] },
			func(r round) float64 { return r.pawl[1].elapsed.Seconds() / r.pawl[0].elapsed.Seconds() })
	}
	return w.Flush()
}

func collect(rounds []round, value func(round) float64) []float64 {
	var values []float64
	for _, r := range rounds {
		values = append(values, value(r))
	}
	return values
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// interval returns the 95 % bootstrap interval of the median. The same values always give the same interval.
func interval(values []float64) (low, high float64) {
	const resamples = 2000
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // statistics, not security
	medians := make([]float64, resamples)
	sample := make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	return medians[resamples*25/1000], medians[resamples*975/1000]
}
