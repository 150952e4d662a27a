"""An object store for tests: a real S3 server with one bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer
from support import free_port

from orchestrator.journal.folder import sweeps_home

KEYS = {"aws_access_key_id": "someone", "aws_secret_access_key": "secret"}


@contextmanager
def bucket_server() -> Iterator[str]:
    """The URI of a folder in the bucket; whoever lists sweeps afterwards does not wait for a server that is gone."""
    before = set(Path(sweeps_home().path).glob("*.json"))
    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", **KEYS)
    client.create_bucket(Bucket="sweeps")
    try:
        # all servers of a process have the same content
        yield f"s3://someone:secret@sweeps/trials{port}?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
    finally:
        for pointer in set(Path(sweeps_home().path).glob("*.json")) - before:
            pointer.unlink()
        server.stop()
