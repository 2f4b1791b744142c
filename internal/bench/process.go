package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A measurement is the time and memory that one program used for all events.
type measurement struct {
	elapsed        time.Duration
	cpu            time.Duration // CPU time of the program's own process
	postgres       time.Duration // CPU time that PostgreSQL used at the same time
	peak           int64         // the peak memory in bytes; 0 if it was not measured
	pagesPerCommit float64       // 0 if it was not measured
}

// measureProcess runs cmd to its end, and measures its time and memory.
func measureProcess(cmd *exec.Cmd) (measurement, error) {
	start := time.Now()
	err := cmd.Run()
	m := measurement{elapsed: time.Since(start)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.cpu = cpuTime(usage)
		// Maxrss is in kilobytes (getrusage(2)). It is never less than the memory of this program, which is small.
		m.peak = usage.Maxrss << 10
	}
	return m, err
}

func cpuTime(usage *syscall.Rusage) time.Duration {
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// runSelf runs the baseline, the limit or the reader in a process of its own, and sends it task as JSON.
func (b *bench) runSelf(ctx context.Context, name string, task any) (stdout []byte, m measurement, err error) {
	input, err := json.Marshal(task)
	if err != nil {
		return nil, m, err
	}
	cmd := exec.CommandContext(ctx, b.self, name)
	var output, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &output, &stderr
	if m, err = measureProcess(cmd); err != nil {
		return nil, m, fmt.Errorf("%s: %w: %s", name, err, stderr.String())
	}
	return output.Bytes(), m, nil
}

// command runs a command in dir. If the command fails, the error contains its output.
func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return nil
}
