"""The same model served by other means, for `serving.py`: uvicorn with FastAPI, and Ray Serve's documented default.

Usage: python tests/benchmarks/serving_rivals.py raw|onnx|serve BUNDLE PORT

Each reads the body, parses it with orjson, encodes the rows, computes and answers, as a good engineer would write it by
hand for one model: no limits, no metrics, no versions. `raw` computes with the exported torch program on one thread,
`onnx` with onnxruntime, `serve` as `raw`.
"""

# annotations stay objects: what Ray Serve pickles of the class below does not hold the names in texts
import signal
import sys
import tempfile
import threading
from pathlib import Path

import orjson
from fastapi import FastAPI, Request, Response


class Model:
    """From the body of a request to the body of its answer."""

    def __init__(self, folder: Path, execution: str) -> None:
        from orchestrator.bundle import ModelBundle
        from orchestrator.bundle.archive import read_program
        from orchestrator.bundle.engines import TORCH_FILE, convert, load_onnx, load_torch
        from orchestrator.data.columnar import ColumnarEncoder
        from orchestrator.serving.http.bodies import parse_rows

        bundle = ModelBundle.load(folder)
        self.schema, self.target = bundle.schema, bundle.target_encoder
        self.encoder = ColumnarEncoder(bundle.schema, bundle.encoder)
        self.parse, self.predictions = parse_rows, bundle.schema.target.task.predictions
        if execution == "onnx":
            with tempfile.TemporaryDirectory() as scratch:
                convert(read_program(folder / TORCH_FILE), Path(scratch) / "network.onnx", bundle.inputs)
                self.network = load_onnx(Path(scratch) / "network.onnx", bundle.schema.outputs)
        else:
            self.network = load_torch(folder / TORCH_FILE, bundle.inputs, bundle.schema.outputs)

    def answer(self, body: bytes) -> bytes:
        columns, rows, _ = self.parse(self.schema, orjson.loads(body))
        outputs = self.network(self.encoder.encode(columns, rows))
        answers = self.predictions(self.target, outputs)
        return orjson.dumps({"predictions": answers.records()})


def by_uvicorn(folder: Path, execution: str, port: int) -> None:
    import uvicorn

    model = Model(folder, execution)
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        return Response(model.answer(await request.body()), media_type="application/json")

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


def by_serve(folder: Path, port: int) -> None:
    import ray
    from ray import serve

    app = FastAPI()

    @serve.deployment
    @serve.ingress(app)
    class Served:
        def __init__(self) -> None:
            self.model = Model(folder, "torch")

        @app.post("/predict")
        async def predict(self, request: Request) -> Response:
            return Response(self.model.answer(await request.body()), media_type="application/json")

        @app.get("/healthz")
        async def health(self) -> dict[str, str]:
            return {"status": "ok"}

    stopped = threading.Event()
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run(Served.bind(), name="benchmark", route_prefix="/")
    # after Ray, which takes SIGTERM for itself
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    serve.shutdown()
    ray.shutdown()


def main() -> None:
    kind, folder, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if kind == "serve":
        by_serve(folder, port)
    else:
        by_uvicorn(folder, kind, port)


if __name__ == "__main__":
    main()
