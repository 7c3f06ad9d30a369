"""Analyses images in rounds, one single-thread process on each core, and prints a line of JSON for each round.

A line "ROUND N" on standard input starts a round of N images. Without --s3 they are the files of --images, read beforehand; with it
they are fetched from a bucket, and what was found is written to a topic.
"""

import argparse
import json
import multiprocessing
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--pack", required=True, help="folder of the open pack")
parser.add_argument("--long-side", type=int, required=True)
parser.add_argument("--processes", type=int, required=True)
parser.add_argument("--images", required=True, help="JSON file with the paths, or keys, of the images")
parser.add_argument("--s3", help="address of the object store")
parser.add_argument("--bucket")
parser.add_argument("--access-key")
parser.add_argument("--secret-key")
parser.add_argument("--kafka", help="address of the broker")
parser.add_argument("--topic")
args = parser.parse_args()


class Files:
    """Images that are in memory, and results that nobody reads."""

    def __init__(self, names):
        self.files = [open(name, "rb").read() for name in names]

    def get(self, i):
        return self.files[i]

    def put(self, i, found):
        pass

    def flush(self):
        pass


class Stream:
    """Images in a bucket, and results in a topic."""

    def __init__(self, keys):
        import boto3
        import confluent_kafka

        self.keys = keys
        self.s3 = boto3.client("s3", endpoint_url=args.s3, region_name="us-east-1", aws_access_key_id=args.access_key, aws_secret_access_key=args.secret_key)
        self.producer = confluent_kafka.Producer({"bootstrap.servers": args.kafka, "acks": "all", "linger.ms": 5})

    def get(self, i):
        return self.s3.get_object(Bucket=args.bucket, Key=self.keys[i])["Body"].read()

    def put(self, i, found):
        count, best = found
        result = {"image": self.keys[i], "faces": count}
        if best is not None:
            box, points, embedding = best
            result.update(box=box.tolist(), points=points.tolist(), embedding=embedding.tolist())
        self.producer.produce(args.topic, json.dumps(result), key=self.keys[i], on_delivery=delivered)
        self.producer.poll(0)

    def flush(self):
        if self.producer.flush(60) > 0:
            raise TimeoutError("results were not written within a minute")


def delivered(error, _):
    if error is not None:
        raise RuntimeError(error)


def work(pipe, following, names):
    """A process: takes the next image of the round until there is none."""
    from pipeline import Pipeline

    pipeline = Pipeline(args.pack, args.long_side)
    source = Stream(names) if args.s3 else Files(names)
    pipeline.analyse(Files(names[:1]).get(0) if not args.s3 else source.get(0))
    pipe.send("ready")
    while (n := pipe.recv()) is not None:
        cpu, found = time.process_time(), {}
        while True:
            with following.get_lock():
                i = following.value
                following.value += 1
            if i >= n:
                break
            i %= len(names)
            count, best = analysis = pipeline.analyse(source.get(i))
            source.put(i, analysis)
            found[i] = {"faces": count}
            if best is not None:
                found[i].update(box=best[0].tolist(), embedding=best[2].tolist())
        source.flush()
        pipe.send((time.process_time() - cpu, found))


def main():
    names = json.load(open(args.images))
    following = multiprocessing.Value("q", 0)
    pipes = []
    for _ in range(args.processes):
        ours, theirs = multiprocessing.Pipe()
        multiprocessing.Process(target=work, args=(theirs, following, names), daemon=True).start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        n = int(line.split()[1])
        following.value = 0
        start = time.perf_counter()
        for pipe in pipes:
            pipe.send(n)
        cpu, found = 0.0, {}
        for pipe in pipes:
            used, some = pipe.recv()
            cpu += used
            found.update(some)
        print(json.dumps({"wall": time.perf_counter() - start, "cpu": cpu, "found": [found.get(i) for i in range(len(names))]}), flush=True)


if __name__ == "__main__":
    main()
