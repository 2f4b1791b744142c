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

// A measurement is what one program used for all events.
type measurement struct {
	elapsed        time.Duration
	cpu            time.Duration // of its own process
	postgres       time.Duration // CPU time of PostgreSQL meanwhile
	peak           int64         // bytes of memory
	pagesPerCommit float64       // 0 if it is not known
}

// measureProcess runs cmd to its end.
func measureProcess(cmd *exec.Cmd) (measurement, error) {
	start := time.Now()
	err := cmd.Run()
	m := measurement{elapsed: time.Since(start)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.cpu = cpuTime(usage)
		m.peak = usage.Maxrss << 10 // getrusage(2): kilobytes. It is never less than this program's own memory, which is small.
	}
	return m, err
}

func cpuTime(usage *syscall.Rusage) time.Duration {
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// runSelf runs a part of this program in a process of its own. It sends task as JSON.
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

func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return nil
}
