package ui

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
)

func (c *cli) serveVerb() *cobra.Command {
	var env string
	var port int
	cmd := &cobra.Command{
		Use:   "serve --env ENV",
		Short: "Serve an embedded environment on a port, for the official clients",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return c.serve(env, port) },
	}
	cmd.Flags().StringVar(&env, "env", "", "embedded environment to serve")
	cmd.Flags().IntVar(&port, "port", 0, "port on 127.0.0.1 (default: a free one)")
	c.completeEnv(cmd, "env")
	return cmd
}

func (c *cli) serve(env string, port int) error {
	if port < 0 || port > 65535 {
		return usage(fmt.Errorf("--port %d is not a port", port))
	}
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, env)
	if err != nil {
		return err
	}
	d, err := fleet.OpenEmbedded(ctx, p, e.Name, func(stage string) { fmt.Fprintln(c.err, "strait: "+clean(stage)) })
	if err != nil {
		return err
	}
	defer d.Close()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return hint(fmt.Errorf("listen on port %d: %w", port, err), "without --port a free one is taken")
	}
	address := "http://" + ln.Addr().String()
	if err := d.ServedAt(address); err != nil {
		return err
	}
	srv := &http.Server{Handler: d.Handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	if err := c.line(map[string]string{"url": address, "adminKey": d.AdminKey(), "deployment": d.Name()}); err != nil {
		srv.Close()
		return err
	}
	fmt.Fprintf(c.err, "strait: this is an embedded deployment of %s, for rehearsal: its documents are in memory and end with it\n", clean(e.Name))
	fmt.Fprintln(c.err, "strait: ctrl+c ends it")
	select {
	case <-ctx.Done():
		srv.Close()
		<-done
		return nil
	case err := <-done:
		return fmt.Errorf("serve %s: %w", e.Name, err)
	}
}
