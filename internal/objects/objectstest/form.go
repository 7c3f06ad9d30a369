package objectstest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"facestream/internal/objects"
)

// PostForm uploads as a browser's form does. The embedded store sends no notification of such an upload: to ingest it is
// one whose notification was lost.
func PostForm(ctx context.Context, cfg objects.Config, bucket, key string, data []byte) error {
	client, err := minio.New(cfg.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(cfg.AccessKey, string(cfg.SecretKey), ""), Region: cfg.Region})
	if err != nil {
		return err
	}
	policy := minio.NewPostPolicy()
	for _, err := range []error{policy.SetBucket(bucket), policy.SetKey(key), policy.SetExpires(time.Now().UTC().Add(time.Hour))} {
		if err != nil {
			return err
		}
	}
	target, fields, err := client.PresignedPostPolicy(ctx, policy)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		form.WriteField(name, value) // to memory, which does not fail
	}
	file, err := form.CreateFormFile("file", "image.jpg")
	if err != nil {
		return err
	}
	file.Write(data)
	form.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), &body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1000)) // the status alone is an error, too
		return fmt.Errorf("the store refuses the form: %s: %s", answer.Status, said)
	}
	return nil
}
