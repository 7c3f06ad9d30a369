package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/gofiber/fiber/v3"
	"github.com/rs/zerolog"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

// Region is the region that the embedded store is in.
const Region = "us-east-1"

// taken is true while a gateway uses the working directory, of which a process has only one.
var taken atomic.Bool

// gateway is one running S3 gateway.
type gateway struct {
	server   *s3api.S3ApiServer
	front    *front
	socket   string // the folder of the socket on which the server listens
	backend  files
	notifier *notifier
	served   chan error // receives what serving ended with
	stopping atomic.Bool
	back     string // the working directory to return to
}

// startGateway returns the gateway that listens on the returned address. What it later dies of by itself goes to failed.
func startGateway(ctx context.Context, o Options, failed chan<- error) (_ *gateway, _ string, err error) {
	if !taken.CompareAndSwap(false, true) {
		return nil, "", errors.New("another embedded store runs in this process; close it first")
	}
	defer func() {
		if err != nil {
			taken.Store(false)
		}
	}()
	listener, err := net.Listen("tcp", o.S3Addr)
	if err != nil {
		return nil, "", cannotListen(err, "embedded.s3_addr", o.S3Addr, fmt.Errorf("listen for s3 on %s: %w", o.S3Addr, err))
	}
	defer func() {
		if err != nil {
			listener.Close()
		}
	}()
	addr := listener.Addr().String()
	// In a folder of its own and not in o.Dir, because the path of a socket may not be long.
	folder, err := os.MkdirTemp("", "facestream-s3-")
	if err != nil {
		return nil, "", err
	}
	back, err := os.Getwd()
	if err != nil {
		return nil, "", errors.Join(err, os.RemoveAll(folder))
	}
	backend, err := openBackend(filepath.Join(o.Dir, "s3"), o.Log)
	if err != nil {
		return nil, "", errors.Join(err, os.Chdir(back), os.RemoveAll(folder))
	}
	g := &gateway{backend: backend, notifier: newNotifier(o), served: make(chan error, 1), back: back, socket: folder}
	socket := filepath.Join(folder, "s3")
	ready := make(chan struct{})
	root := auth.Account{Access: o.AccessKey, Secret: string(o.SecretKey), Role: auth.RoleAdmin}
	g.server, err = s3api.New(g.backend, middlewares.RootUserConfig{Access: root.Access, Secret: root.Secret}, Region,
		auth.NewIAMServiceSingle(root), nil, nil, g.notifier, nil,
		s3api.WithConcurrencyLimiter(2*frontConnections, 512),
		s3api.WithMpMaxParts(10_000), // the protocol's own limit
		s3api.WithKeepAlive(),
		s3api.WithMiddleware("/", g.closeWhenStopping),
		s3api.WithMiddleware("/", readToTheEnd),
		s3api.WithQuiet(),
		s3api.WithOnListen(func() { close(ready) }),
	)
	if err != nil {
		return nil, "", errors.Join(err, g.release())
	}
	go func() {
		err := g.server.ServeMultiPort([]string{socket})
		if !g.stopping.Load() {
			report(failed, fmt.Errorf("the embedded s3 store on %s ended: %w", addr, err))
		}
		g.served <- err
	}()
	select {
	case <-ready:
		g.front = newFront(listener, func() (net.Conn, error) { return net.Dial("unix", socket) }, failed)
		return g, addr, nil
	case err = <-g.served:
		return nil, "", errors.Join(fmt.Errorf("start the s3 gateway on %s: %w", addr, err), g.release())
	case <-ctx.Done():
		return nil, "", errors.Join(context.Cause(ctx), g.stop())
	}
}

// stop ends the gateway after the calls in progress and waits for it. It does not report why the gateway died earlier.
func (g *gateway) stop() error {
	g.stopping.Store(true)
	if g.front != nil {
		g.front.stopAccepting()
		defer g.front.close()
	}
	err := g.server.ShutDown()
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // a connection was busy all the time; the gateway closes it after the answer that is under way
	}
	<-g.served
	return errors.Join(err, g.release())
}

// closeWhenStopping closes each connection after its next answer once the gateway stops. Some connections outlast the
// shutdown, for instance of a client that has dialled and sent nothing yet. Without this, the old server would go on
// answering them with errors beside the gateway that follows.
func (g *gateway) closeWhenStopping(c fiber.Ctx) error {
	err := c.Next()
	if g.stopping.Load() {
		c.RequestCtx().SetConnectionClose()
	}
	return err
}

// mostUnread is how many bytes of a request that nobody wanted are read before the connection is given up instead.
const mostUnread = 1 << 20

// readToTheEnd reads what the answer to a request left unread of its body. The server would take it for the next request of the
// connection, and answer that one with an error. A body in chunks does not say where it ends, so it ends its connection.
func readToTheEnd(c fiber.Ctx) error {
	err := c.Next()
	length, body := c.Request().Header.ContentLength(), c.Request().BodyStream()
	switch {
	case body == nil:
	case length > 0:
		if n, cause := io.CopyN(io.Discard, body, mostUnread); n == mostUnread || !errors.Is(cause, io.EOF) {
			c.RequestCtx().SetConnectionClose()
		}
	case length == -1: // chunks
		c.RequestCtx().SetConnectionClose()
	}
	return err
}

// release gives back what startGateway took, once nothing serves.
func (g *gateway) release() error {
	g.backend.Shutdown()
	err := errors.Join(g.notifier.Close(), os.Chdir(g.back), os.RemoveAll(g.socket))
	taken.Store(false)
	return err
}

// openBackend opens the object files in dir.
func openBackend(dir string, log zerolog.Logger) (files, error) {
	root, versions := filepath.Join(dir, "objects"), filepath.Join(dir, "versions")
	for _, d := range []string{root, versions} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return files{}, err
		}
	}
	moved, err := setAside(root, filepath.Join(dir, "set-aside"))
	if moved > 0 {
		log.Warn().Int("count", moved).Str("folder", filepath.Join(dir, "set-aside")).
			Msg("objects had names that no listing can carry; they were moved out of their buckets")
	}
	if err != nil {
		log.Warn().Err(err).Msg("a listing may fail until the next start")
	}
	attributes, sidecar, err := attributesIn(dir)
	if err != nil {
		return files{}, err
	}
	unmute, err := mute()
	if err != nil {
		return files{}, err
	}
	defer unmute()
	opts := posix.PosixOpts{
		VersioningDir: versions, SideCarDir: sidecar,
		CopyObjectThreshold: 5 << 30, // 5 GiB is the protocol's own limit
		ForceNoObjLockFile:  true,    // which would be for several processes
	}
	opts.SetNewFilePerm(0o600)
	opts.SetNewDirPerm(0o700)
	backend, err := posix.New(root, syncing{attributes, versions}, opts)
	return files{Posix: backend, log: log, attributes: attributes, versions: versions, sidecar: sidecar}, err
}

// attributesIn returns where the store in dir keeps the metadata of objects: in extended attributes, or, on file systems that have
// none, in files in the folder that is returned, too. A store that began with such files goes on with them.
func attributesIn(dir string) (meta.MetadataStorer, string, error) {
	sidecar := filepath.Join(dir, "metadata")
	if _, err := os.Stat(sidecar); err != nil && hasXattrs(filepath.Join(dir, "objects")) {
		return meta.XattrMeta{}, "", nil
	}
	if err := os.MkdirAll(sidecar, 0o700); err != nil {
		return nil, "", err
	}
	files, err := meta.NewSideCar(sidecar)
	return files, sidecar, err
}

// hasXattrs tries to store an attribute, because what a file system reports is not always what it does.
func hasXattrs(dir string) bool {
	const probe = "facestream-probe"
	var x meta.XattrMeta
	return x.StoreAttribute(nil, dir, "", probe, []byte("1")) == nil && x.DeleteAttribute(dir, "", probe) == nil
}

// mute makes os.Stdout the null device until the returned function is called.
func mute() (func(), error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	stdout := os.Stdout
	os.Stdout = null
	return func() {
		os.Stdout = stdout
		null.Close()
	}, nil
}
