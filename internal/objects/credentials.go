package objects

import (
	"fmt"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// credentialsOf returns the keys of cfg, else those of the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN, then MINIO_ROOT_USER and MINIO_ROOT_PASSWORD), else those of an IAM role: of the pod
// (AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN), of the container (AWS_CONTAINER_CREDENTIALS_…) or of the machine.
//
// It is minio-go's chain without its last step. If no provider has credentials, minio-go continues without any. The
// store then refuses, and the refusal would count as final although only the role's server was unreachable for a
// moment.
func credentialsOf(cfg Config) *credentials.Credentials {
	if cfg.AccessKey != "" {
		return credentials.NewStaticV4(cfg.AccessKey, string(cfg.SecretKey), "")
	}
	for _, environment := range []credentials.Provider{&credentials.EnvAWS{}, &credentials.EnvMinio{}} {
		if v, err := environment.RetrieveWithCredContext(nil); err == nil && v.AccessKeyID != "" && v.SecretAccessKey != "" {
			return credentials.New(environment)
		}
	}
	return credentials.New(&role{})
}

// role is an IAM role whose failures can be told from those of the store.
type role struct{ credentials.IAM }

// RetrieveWithCredContext asks the role's server.
func (r *role) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	v, err := r.IAM.RetrieveWithCredContext(cc)
	if err != nil {
		err = noCredentialsError{err}
	}
	return v, err
}

// noCredentialsError says that a call did not begin because there are no credentials. Its text names no object.
type noCredentialsError struct{ cause error }

func (e noCredentialsError) Error() string {
	return fmt.Sprintf("no credentials for the store: neither the configuration nor the environment nor an IAM role has any: %v", e.cause)
}

func (e noCredentialsError) Unwrap() error { return e.cause }
