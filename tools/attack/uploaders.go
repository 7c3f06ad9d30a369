package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"facestream/internal/drawn"
	"facestream/internal/host"
	"facestream/internal/objects/objectstest"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/schema"
)

const uploader = "uploader"

// uploaders are the attacks of somebody who may write objects under a prefix.
func uploaders() []attack {
	return []attack{
		{name: "another-person-by-metadata", actor: uploader, tried: "an upload under mallory's key whose metadata says bank and alice", running: anotherPersonByMetadata},
		{name: "lax-by-metadata", actor: uploader, tried: "thresholds of -1 and liveness off in metadata", running: laxByMetadata},
		{name: "hostile-metadata", actor: uploader, tried: "metadata of no text, of 1.5 kB, with unknown fields and encoded words", running: hostileMetadata},
		{name: "hostile-keys", actor: uploader, tried: "keys with .., empty parts, control characters and encoded slashes", running: hostileKeys},
		{name: "marked-as-own-output", actor: uploader, tried: "an enrolment's picture that carries facestream's mark of another key", running: markedAsOutput},
		{name: "tiff-of-389-kB", actor: uploader, tried: "four TIFFs of 7071x7071, 16 bits, deflate, at once, to a worker that must stay below 2 GiB", running: tiffs},
		{name: "jpeg-of-100-scans", actor: uploader, tried: "a progressive JPEG of 49 megapixels with 100 scans", running: scans},
		{name: "picture-bombs", actor: uploader, tried: "headers that claim gigapixels, cut and empty files, of every format", running: pictureBombs},
		{name: "other-files", actor: uploader, tried: "SVG, PDF, ZIP, a script, a film, a picture with a script behind it", running: otherFiles},
		{name: "replaced-after-the-upload", actor: uploader, tried: "alice's picture, replaced by mallory's under the same key at once", running: replacedUpload},
		{name: "look-alike-names", actor: uploader, tried: "names with zero-width and right-to-left characters, and two spellings of one name", running: lookAlikes},
		{name: "object-that-is-never-read", actor: uploader, tried: "an object that the store never describes, among uploads without a notification", alone: neverRead},
	}
}

// outcomeOf uploads and waits for the outcome of the request that the upload stands for.
func (f *facestream) outcomeOf(ctx context.Context, key string, data []byte, metadata map[string]string) (schema.Result, error) {
	ref, err := f.put(ctx, key, data, metadata)
	if err != nil {
		return schema.Result{}, fmt.Errorf("upload: %w", err)
	}
	return f.await(ctx, schema.ObjectRequestID(ref))
}

func anotherPersonByMetadata(ctx context.Context, f *facestream) (string, error) {
	alice := name("alice")
	if err := f.enrolled(ctx, "bank", alice, 0, 0); err != nil {
		return "", err
	}
	for _, field := range []map[string]string{{"facestream-collection": "bank", "facestream-external-id": alice}, {"facestream-external-id": alice}, {"Facestream-Puid": "x"}, {"facestream-id": "x"}} {
		r, err := f.outcomeOf(ctx, "enroll/playground/"+name("mallory")+"/a.jpg", f.picture(9, 0), field)
		if err == nil && r.CallStatus.Reason == "" {
			err = errors.New("it is accepted")
		}
		if err != nil {
			return "", fmt.Errorf("%v: %w", field, err)
		}
	}
	if taken, err := f.matches(ctx, "bank", alice, 9, 1); err != nil || taken {
		return "", fmt.Errorf("mallory verifies as alice (%v)", err)
	}
	return "refused; mallory does not verify as alice", nil
}

func laxByMetadata(ctx context.Context, f *facestream) (string, error) {
	for _, config := range []string{`{"face_thresholds_min":-1}`, `{"anti_spoofing_mode":0}`} {
		r, err := f.outcomeOf(ctx, "predict/bank/"+name("mallory")+"/a.jpg", f.picture(9, 0), map[string]string{"facestream-config": config})
		if err == nil && r.CallStatus.Reason != schema.ReasonInvalidRequest && r.CallStatus.Reason != schema.ReasonBelowFloor {
			err = fmt.Errorf("answered %q", r.CallStatus.Reason)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", config, err)
		}
	}
	return "refused", nil
}

func hostileMetadata(ctx context.Context, f *facestream) (string, error) {
	for _, metadata := range []map[string]string{
		{"facestream-deadline": "\x01\x02"}, {"facestream-operation-tag": strings.Repeat("x", 1500)}, {"facestream-nonsense": "1"},
		{"facestream-consent": "{"}, {"facestream-consent": `{"given":"perhaps"}`}, {"facestream-operation-tag": "=?utf-8?B?AAEC?="}, {"facestream-result-object": "../../x"},
	} {
		ref, err := f.put(ctx, "validate/default/"+name("meta")+"/a.jpg", f.picture(1, 0), metadata)
		if err != nil {
			continue // the client or the store refuses it
		}
		if _, err := f.await(ctx, schema.ObjectRequestID(ref)); err != nil {
			return "", fmt.Errorf("%v: %w", metadata, err)
		}
	}
	return "each that the store takes has one outcome", nil
}

// signed sends a signed request whose path is target as it is, as a client does that checks no names. The signature is that of
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
func (f *facestream) signed(ctx context.Context, method, target, secret string, body []byte) (int, string, error) {
	addr := f.cfg.S3.Endpoint
	request, err := http.NewRequestWithContext(ctx, method, "http://"+addr, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	path, query, _ := strings.Cut(target, "?")
	request.URL.Opaque, request.URL.RawQuery = path, query
	const payload, names = "UNSIGNED-PAYLOAD", "host;x-amz-content-sha256;x-amz-date"
	now := time.Now().UTC().Format("20060102T150405Z")
	canonical := strings.Join([]string{method, path, query, "host:" + addr + "\nx-amz-content-sha256:" + payload + "\nx-amz-date:" + now + "\n", names, payload}, "\n")
	scope := now[:8] + "/us-east-1/s3/aws4_request"
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + secret)
	for _, part := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n"+now+"\n"+scope+"\n"+hex.EncodeToString(sum[:])) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	request.Header.Set("X-Amz-Content-Sha256", payload)
	request.Header.Set("X-Amz-Date", now)
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", string(f.cfg.S3.AccessKey), scope, names, key))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, string(said), err
}

func hostileKeys(ctx context.Context, f *facestream) (string, error) {
	taken := 0
	for _, key := range []string{"../../escaped.txt", "validate/../../../escaped.txt", "validate%2F..%2F..%2F..%2Fescaped.txt", "validate//a.jpg", "%00", "validate/a%00b.jpg",
		"validate/%01/a.jpg", "validate/default/" + strings.Repeat("n", 300) + "/a.jpg", "validate/default/%ff%fe/a.jpg", ".sgwtmp/a", "validate/%E2%80%AE/x/a.jpg"} {
		status, said, err := f.signed(ctx, http.MethodPut, "/"+f.cfg.S3.Bucket+"/"+key, string(f.cfg.S3.SecretKey), []byte("x"))
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %w", key, err)
		case status >= 500:
			return "", fmt.Errorf("%s: %d %s", key, status, said)
		case status < 300:
			taken++
		}
		if strings.Contains(said, f.dir) {
			return "", fmt.Errorf("%s: the answer has a path of the machine: %s", key, said)
		}
	}
	for _, outside := range []string{f.dir + "/escaped.txt", f.dir + "/s3/escaped.txt", f.dir + "/s3/objects/escaped.txt", f.lab.dir + "/escaped.txt"} {
		if exists(outside) {
			return "", fmt.Errorf("a file lies outside the bucket: %s", outside)
		}
	}
	// The bucket can still be listed.
	status, said, err := f.signed(ctx, http.MethodGet, "/"+f.cfg.S3.Bucket+"?list-type=2", string(f.cfg.S3.SecretKey), nil)
	if err == nil && (status != 200 || !strings.Contains(said, "</ListBucketResult>")) {
		err = fmt.Errorf("the bucket cannot be listed any more: %d %.200s", status, said)
	}
	return fmt.Sprintf("%d of 11 are kept, inside the bucket; the others are refused", taken), err
}

func markedAsOutput(ctx context.Context, f *facestream) (string, error) {
	alice := name("alice")
	ref, err := f.put(ctx, "enroll/marks/"+alice+"/a.jpg", f.picture(2, 0), map[string]string{"facestream-output": strings.Repeat("0", 64)})
	if err != nil {
		return "", err
	}
	_, err = f.await(ctx, schema.ObjectRequestID(ref))
	return "the mark of another key hides nothing: it has an outcome", err
}

// tiff is a TIFF of 16-bit RGBA, deflate, of one colour: small on the wire, side² × 8 bytes in memory.
func tiff(side int) []byte {
	var strip bytes.Buffer
	z, _ := zlib.NewWriterLevel(&strip, zlib.BestCompression)
	row := make([]byte, side*8)
	for range side {
		z.Write(row)
	}
	z.Close()
	const entries = 12
	le := binary.LittleEndian
	const head = 8 + 2 + entries*12 + 4 // header, directory
	b := le.AppendUint32([]byte("II*\x00"), 8)
	b = le.AppendUint16(b, entries)
	entry := func(tag, kind uint16, count, value uint32) {
		b = le.AppendUint16(b, tag)
		b = le.AppendUint16(b, kind)
		b = le.AppendUint32(b, count)
		b = le.AppendUint32(b, value)
	}
	const short, long = 3, 4
	entry(256, long, 1, uint32(side))
	entry(257, long, 1, uint32(side))
	entry(258, short, 4, head) // bits per sample: four times 16, behind the directory
	entry(259, short, 1, 8)    // deflate
	entry(262, short, 1, 2)    // RGB
	entry(273, long, 1, head+8)
	entry(277, short, 1, 4)
	entry(278, long, 1, uint32(side))
	entry(279, long, 1, uint32(strip.Len()))
	entry(284, short, 1, 1)
	entry(317, short, 1, 1)
	entry(338, short, 1, 2) // unassociated alpha
	b = le.AppendUint32(b, 0)
	for range 4 {
		b = le.AppendUint16(b, 16)
	}
	return append(b, strip.Bytes()...)
}

func tiffs(ctx context.Context, f *facestream) (string, error) {
	bomb := tiff(7071)
	f.part("worker").forgetPeak()
	var wait sync.WaitGroup
	var lock sync.Mutex
	var failed error
	for range 4 {
		wait.Go(func() {
			ref, err := f.put(ctx, "validate/default/"+name("tiff")+"/a.tiff", bomb, nil)
			if err == nil {
				ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
				defer cancel()
				_, err = f.caller.Await(ctx, schema.ObjectRequestID(ref))
			}
			lock.Lock()
			defer lock.Unlock()
			failed = errors.Join(failed, err)
		})
	}
	wait.Wait()
	peak := f.part("worker").peak()
	if failed == nil && peak > memory {
		failed = fmt.Errorf("four files of %d kB take the worker to %d MiB", len(bomb)>>10, peak)
	}
	return fmt.Sprintf("all are answered; the worker's peak is %d MiB", peak), failed
}

// scans100 repeats the last scan of a progressive JPEG whose AC coefficients are all refined to nothing: each scan costs a pass.
func scans100(side int) []byte {
	segment := func(marker byte, body []byte) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(len(body)+2)), body...)
	}
	out := []byte{0xff, 0xd8}
	out = append(out, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{8}, 64)...))...)
	out = append(out, segment(0xc2, []byte{8, byte(side >> 8), byte(side), byte(side >> 8), byte(side), 1, 1, 0x11, 0})...)
	table := append(append([]byte{1}, make([]byte, 15)...), 0) // one code of one bit: category 0, or end of block
	out = append(out, segment(0xc4, append([]byte{0x00}, table...))...)
	// For AC: an end-of-block run of 2^14 and more blocks in one code, so that a scan is a few bytes a thousand blocks.
	out = append(out, segment(0xc4, append([]byte{0x10, 1}, append(make([]byte, 15), 0xe0)...))...)
	blocks := (side + 7) / 8 * ((side + 7) / 8)
	dc := bytes.Repeat([]byte{0}, (blocks+7)/8)
	out = append(out, segment(0xda, []byte{1, 1, 0x00, 0, 0, 0x00})...)
	out = append(out, dc...)
	for i := range 99 {
		band := byte(1 + i%63)
		out = append(out, segment(0xda, []byte{1, 1, 0x00, band, band, 0x00})...)
		var bits []byte // per run: 0, then 14 bits of ones: 2^15-1 blocks
		n := 0
		put := func(bit byte) {
			if n%8 == 0 {
				bits = append(bits, 0)
			}
			bits[len(bits)-1] |= bit << (7 - n%8)
			n++
		}
		for left := blocks; left > 0; left -= 1<<15 - 1 {
			put(0)
			for range 14 {
				put(1)
			}
		}
		for n%8 != 0 {
			put(1)
		}
		out = append(out, bytes.ReplaceAll(bits, []byte{0xff}, []byte{0xff, 0})...)
	}
	return append(out, 0xff, 0xd9)
}

func scans(ctx context.Context, f *facestream) (string, error) {
	bomb := scans100(7000)
	before := f.part("worker").cpu()
	ref, err := f.put(ctx, "validate/default/"+name("scans")+"/a.jpg", bomb, nil)
	if err != nil {
		return "", err
	}
	waiting, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	answer, err := f.caller.Await(waiting, schema.ObjectRequestID(ref))
	took := f.part("worker").cpu() - before
	switch {
	case err != nil:
		return "", err
	case took > 15*time.Second:
		return "", fmt.Errorf("%d kB cost %v of processor time", len(bomb)>>10, took)
	}
	return fmt.Sprintf("answered %q for %v of processor time", answer.Result.CallStatus.Reason, took), nil
}

func pictureBombs(ctx context.Context, f *facestream) (string, error) {
	cases := imagingtest.Hostile()
	f.part("worker").forgetPeak()
	var refs []schema.ObjectRef
	for _, c := range cases {
		ref, err := f.put(ctx, fmt.Sprintf("validate/default/%s/%s", name("bomb"), strings.ReplaceAll(c.Name, " ", "_")), c.Data, nil)
		if err != nil {
			return "", err
		}
		refs = append(refs, ref)
	}
	for i, c := range cases {
		r, err := f.await(ctx, schema.ObjectRequestID(refs[i]))
		if err == nil && c.WantReason != "" && r.CallStatus.Reason != c.WantReason {
			err = fmt.Errorf("answered %q", r.CallStatus.Reason)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	peak := f.part("worker").peak()
	if peak > memory {
		return "", fmt.Errorf("they take the worker to %d MiB", peak)
	}
	return fmt.Sprintf("%d files, one outcome each", len(cases)), nil
}

func otherFiles(ctx context.Context, f *facestream) (string, error) {
	for what, data := range map[string]string{
		"SVG": `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>`,
		"PDF": "%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj", "ZIP": "PK\x03\x04" + strings.Repeat("\x00", 100), "script": "#!/bin/sh\nrm -rf /\n",
		"film": "\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41", "HEIC without boxes": "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00heicmif1",
		"AVIF without boxes": "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00avifmif1", "WebP of 4 GiB": "RIFF\xff\xff\xff\xffWEBPVP8X\x0a\x00\x00\x00",
		"PostScript": "%!PS-Adobe-3.0\n(/etc/passwd) (r) file", "ImageMagick script": "push graphic-context\nfill 'url(https://127.0.0.1/x)'\n",
	} {
		r, err := f.outcomeOf(ctx, "validate/default/"+name("file")+"/a.jpg", []byte(data), nil)
		if err == nil && r.CallStatus.Reason != schema.ReasonImageUnreadable && r.CallStatus.Reason != schema.ReasonImageTooLarge {
			err = fmt.Errorf("answered %q", r.CallStatus.Reason)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
	}
	r, err := f.outcomeOf(ctx, "validate/default/"+name("file")+"/b.jpg", append(bytes.Clone(f.picture(3, 0)), "<script>alert(1)</script>PK\x03\x04"...), nil)
	if err == nil && r.CallStatus.Reason != "" {
		err = fmt.Errorf("a picture with a script behind it is answered %q", r.CallStatus.Reason)
	}
	return "none is read; what follows a picture is ignored", err
}

func replacedUpload(ctx context.Context, f *facestream) (string, error) {
	collection, key := name("replaced"), ""
	for range 5 {
		alice := name("alice")
		key = "enroll/" + collection + "/" + alice + "/a.jpg"
		ref, err := f.put(ctx, key, f.picture(0, 0), nil)
		if err != nil {
			return "", err
		}
		if _, err := f.put(ctx, key, []byte("something else"), nil); err != nil {
			return "", err
		}
		r, err := f.await(ctx, schema.ObjectRequestID(ref))
		if err == nil && (r.Enroll == nil || !r.Enroll.EnrollPerformed || r.Images[0].Version != ref.Version) {
			err = fmt.Errorf("answered %q", r.CallStatus.Reason)
		}
		if err != nil {
			return "", err
		}
	}
	return "the version that the notification names is the one that counts", nil
}

func lookAlikes(ctx context.Context, f *facestream) (string, error) {
	image, err := f.face(ctx, 0, 0)
	if err != nil {
		return "", err
	}
	for _, n := range []string{"ali\u200bce", "ali\u202ece", "\ufeffalice", "ali\u2060ce", "alice\u0000", "ali\nce", "\x1b[31malice", " alice", "alice "} {
		r, err := f.call(ctx, schema.Request{Operation: schema.OpEnroll, Collection: "names", ExternalID: schema.ExternalID(n), Images: image})
		if err == nil && r.CallStatus.Reason != schema.ReasonInvalidRequest {
			err = fmt.Errorf("answered %q", r.CallStatus.Reason)
		}
		if err != nil {
			return "", fmt.Errorf("%q: %w", n, err)
		}
	}
	if err := f.enrolled(ctx, "names", "zoe\u0308", 1, 0); err != nil {
		return "", err
	}
	r, err := f.about(ctx, schema.OpUserDelete, "names", "zo\u00eb", 0, 0)
	if err == nil && (r.UserDelete == nil || r.UserDelete.Count != 1) {
		err = errors.New("the other spelling of a name is another person")
	}
	return "refused; two spellings of a name are one person", err
}

// neverRead puts a proxy between ingest and the store, which fails for one object as a store does that lacks the key of its encryption.
func neverRead(ctx context.Context, l *lab) (string, error) {
	f, err := l.start(ctx, setup{})
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: f.cfg.S3.Endpoint})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "cursed") && r.Method == http.MethodHead {
			w.WriteHeader(http.StatusBadRequest) // as AWS answers where the customer's key is missing
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go server.Serve(listener)
	defer server.Close()
	// A second ingest reads through the proxy; the first one stops with its process.
	f.parts[0].halt()
	f.parts = nil
	for _, part := range [][]string{{"facestream", "servers"}, {"worker"}, {"indexer"}} {
		if err := f.run(ctx, part[0], part[1:]...); err != nil {
			return "", err
		}
	}
	f.env = append(f.env, "FACESTREAM_S3_ENDPOINT="+listener.Addr().String())
	if err := f.run(ctx, "ingest"); err != nil {
		return "", err
	}
	if err := f.ready(ctx); err != nil {
		return "", err
	}
	reach, err := host.StoreConfig(f.cfg.S3)
	if err != nil {
		return "", err
	}
	// Uploads by a form, of which the store tells nobody. The listing has the cursed one first.
	cursed, innocent := "validate/default/a-cursed/a.jpg", "validate/default/b-innocent/a.jpg"
	for _, key := range []string{cursed, innocent} {
		if err := objectstest.PostForm(ctx, reach, f.cfg.S3.Bucket, key, f.picture(0, 0)); err != nil {
			return "", err
		}
	}
	info, err := f.objects.Stat(ctx, schema.ObjectRef{Bucket: f.cfg.S3.Bucket, Key: innocent})
	if err != nil {
		return "", err
	}
	if _, err := f.await(ctx, schema.ObjectRequestID(info.Ref)); err != nil {
		return "", fmt.Errorf("the upload behind it in the listing is not found: %w", err)
	}
	return "the uploads behind it are found", nil
}

func largePortraits(ctx context.Context, f *facestream) (string, error) {
	const tile = 160
	crowd := image.NewRGBA(image.Rect(0, 0, 8*tile, 8*tile))
	for i := range 64 {
		p := drawn.Cast()[i%len(drawn.Cast())]
		at := image.Pt(i%8*tile, i/8*tile)
		draw.Draw(crowd, image.Rectangle{at, at.Add(image.Pt(tile, tile))}, drawn.Render(p, p.Shot(i/36), tile), image.Point{}, draw.Src)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, crowd, nil); err != nil {
		return "", err
	}
	ref, err := f.put(ctx, "loose/"+uuid.NewString()+".jpg", file.Bytes(), nil)
	if err != nil {
		return "", err
	}
	f.part("worker").forgetPeak()
	id := schema.RequestID(uuid.NewString())
	data, err := json.Marshal(schema.Request{ID: id, Operation: schema.OpValidate, Images: []schema.ObjectRef{ref},
		Config: json.RawMessage(`{"anti_spoofing_mode":0,"face_validations_off":true,"face_detection_strategy":0,"crop_faces":true,"portrait_width":4096,"portrait_preset":"crop_1x1","portrait_format":"jpeg"}`)})
	if err != nil {
		return "", err
	}
	if err := f.raw(ctx, "facestream.requests", string(id), string(data)); err != nil {
		return "", err
	}
	waiting, cancel := context.WithTimeout(ctx, 150*time.Second)
	defer cancel()
	answer, err := f.caller.Await(waiting, id)
	peak := f.part("worker").peak()
	switch {
	case err != nil:
		return "", fmt.Errorf("%w (the worker's peak is %d MiB)", err, peak)
	case peak > memory:
		return "", fmt.Errorf("they take the worker to %d MiB", peak)
	}
	return fmt.Sprintf("%d faces, answered %q; the worker's peak is %d MiB", len(answer.Result.Faces), answer.Result.CallStatus.Reason, peak), nil
}
