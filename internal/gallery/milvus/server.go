package milvus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"facestream/pkg/schema"
)

// The codes of the server that this package acts on.
const (
	codeNotFound  = 100 // no such collection or alias
	codeNotLoaded = 101 // the collection is not in the server's memory
)

// away are the codes with which the server refuses every write for now (pkg/util/merr/errors.go of Milvus): not ready,
// unavailable, limits of memory, requests, disk and rate, quota, a delay of its clock, resources.
var away = []int32{1, 2, 3, 4, 7, 8, 9, 11, 12}

// refusal is an answer with which the server refuses a call.
type refusal struct {
	code   int32
	reason string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s (code %d)", r.reason, r.code) }

// refused reports whether the server answered with code.
func refused(err error, code int32) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == code
}

// unauthenticated reports whether the server refuses the credentials.
func unauthenticated(err error) bool {
	for _, code := range []codes.Code{codes.Unauthenticated, codes.PermissionDenied} {
		var s interface{ GRPCStatus() *status.Status }
		if errors.As(err, &s) && s.GRPCStatus().Code() == code {
			return true
		}
	}
	return false
}

// transient makes the error of a call transient, or an outage if the server refuses everybody. nil stays nil.
func transient(op string, err error) error {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*refusal](err); ok && slices.Contains(away, r.code) {
		return schema.Outage(op, err)
	}
	return schema.Transient(op, err)
}

// dial connects. The connection outlives restarts of the server.
func dial(ctx context.Context, cfg Config) (client.Client, error) {
	options := append([]grpc.DialOption{}, client.DefaultGrpcOpts...)
	options = append(options,
		grpc.WithReturnConnectionError(), // if dialling takes too long, the error says why
		grpc.WithChainUnaryInterceptor(strict),
	)
	if cfg.TLS != nil {
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(cfg.TLS)))
	}
	return client.NewClient(ctx, client.Config{
		Address: cfg.Address, Username: cfg.User, Password: string(cfg.Password), APIKey: string(cfg.Token), DialOptions: options,
		DisableConn: true, // we do not need the SDK's greeting, and if it fails the SDK leaves the connection open
	})
}

// strict turns every answer whose status has a code into an error. The SDK looks only at the older ErrorCode, so it would take
// a refusal that has only Code for success.
func strict(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if err := invoke(ctx, method, request, reply, conn, options...); err != nil {
		return err
	}
	s := statusOf(reply)
	if s == nil || s.GetCode() == 0 {
		addIDs(reply)
		return nil
	}
	reason := s.GetReason()
	// Servers quote expressions, which name persons (invariant 6). So the text is cut at the first quotation mark.
	if _, ok := request.(interface{ GetExpr() string }); ok {
		if i := strings.IndexAny(reason, "\"'`"); i >= 0 {
			reason = reason[:i] + "…"
		}
	}
	return &refusal{s.GetCode(), reason}
}

// addIDs adds ids of 0 if a server (Milvus Lite) lists collections only by name, because the SDK counts the ids.
func addIDs(reply any) {
	list, ok := reply.(interface {
		GetCollectionNames() []string
		GetCollectionIds() []int64
	})
	if !ok || len(list.GetCollectionIds()) > 0 {
		return
	}
	if ids := reflect.ValueOf(reply).Elem().FieldByName("CollectionIds"); ids.IsValid() {
		ids.Set(reflect.ValueOf(make([]int64, len(list.GetCollectionNames()))))
	}
}

type answerStatus interface {
	GetCode() int32
	GetReason() string
}

// statusOf returns the status that reply is or contains, or nil.
func statusOf(reply any) answerStatus {
	if s, ok := reply.(answerStatus); ok {
		return s
	}
	if get := reflect.ValueOf(reply).MethodByName("GetStatus"); get.IsValid() {
		s, _ := get.Call(nil)[0].Interface().(answerStatus)
		return s
	}
	return nil
}

// call runs f, one call of the server, within limit.
func (g *Gallery) call(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := f(within)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err) // the errors of gRPC do not unwrap to those of context
	case within.Err() != nil:
		return fmt.Errorf("no answer from Milvus at %s within %v: %w", g.cfg.Address, limit, err)
	}
	return err
}

// read runs f, one call that reads the Milvus collection name. If the collection is not in the server's memory, which can
// happen after a restart, read loads it and runs f again.
func (g *Gallery) read(ctx context.Context, name string, f func(context.Context) error) error {
	err := g.call(ctx, g.cfg.Timeout, f)
	if !refused(err, codeNotLoaded) {
		return err
	}
	if err := g.load(ctx, name); err != nil {
		return err
	}
	return g.call(ctx, g.cfg.Timeout, f)
}

func (g *Gallery) load(ctx context.Context, name string) error {
	err := g.call(ctx, g.cfg.LoadTimeout, func(ctx context.Context) error { return g.client.LoadCollection(ctx, name, false) })
	if err != nil {
		return fmt.Errorf("load the collection into the server's memory: %w", err)
	}
	return nil
}
