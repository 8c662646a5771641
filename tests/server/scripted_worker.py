"""A worker without a model, whose behaviour is chosen by the request's text (or the model's source).

Texts: "hello", "stream N" (N partial estimates), "chunks", "flood" (partial estimates of 256 scores
until cancelled; "flood N": after a header of N bytes more), "hang" (until cancelled), "deaf" (for ever),
"crash", "fail CODE", "unfinished" (ends without a summary), "garbage". The header's warnings tell what the
worker has seen. A forecast has as many windows as cancellations were seen, and a compute time of 2 s.
Sources: "refuse", "exit", "crash-loop", "wait:FIFO" (loads until somebody writes to the FIFO).
"""

import argparse
import contextlib
import os
import socket
import threading
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from ligserve.internal.v1 import frames_pb2
from ligserve.server.framing import LENGTH_BYTES, frame_length, pack_frame
from ligserve.v1 import explanation_service_pb2 as pb


class Scripted:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        self.cancelled: dict[int, threading.Event] = {}
        self.cancellations = 0
        self.start = frames_pb2.StartWorker()

    def read(self) -> frames_pb2.FrontFrame | None:
        header = self._exactly(LENGTH_BYTES)
        if header is None:
            return None
        payload = self._exactly(frame_length(header))
        return None if payload is None else frames_pb2.FrontFrame.FromString(payload)

    def _exactly(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            part = self.connection.recv(count - len(data))
            if not part:
                return None
            data += part
        return data

    def send(self, frame: frames_pb2.WorkerFrame) -> None:
        # The front may be gone while a job still speaks.
        with self.lock, contextlib.suppress(OSError):
            self.connection.sendall(pack_frame(frame))

    def serve(self) -> None:
        first = self.read()
        if first is None:
            return
        self.start = first.start
        sources = [model.source for model in self.start.models]
        if "exit" in sources:
            os._exit(3)
        if "refuse" in sources:
            failure = frames_pb2.Failure(code=9, message="model 'm': it is broken\nbeyond repair")
            self.send(frames_pb2.WorkerFrame(failed=failure))
            return
        for source in sources:
            if source.startswith("wait:"):
                Path(source.removeprefix("wait:")).read_bytes()
        ready = frames_pb2.WorkerReady(device=self.start.device)
        for model in self.start.models:
            ready.models.add(name=model.name, revision=model.revision, labels=["NO", "YES"])
        self.send(frames_pb2.WorkerFrame(ready=ready))
        if "crash-loop" in sources:
            os._exit(4)
        while (frame := self.read()) is not None:
            self.handle(frame)

    def handle(self, frame: frames_pb2.FrontFrame) -> None:
        if frame.WhichOneof("frame") == "run":
            self.cancelled[frame.run.job_id] = threading.Event()
            threading.Thread(target=self.run, args=(frame.run,), daemon=True).start()
        else:
            self.cancellations += 1
            self.cancelled[frame.cancel.job_id].set()

    def event(self, job: int, event: pb.StreamExplainResponse) -> None:
        self.send(frames_pb2.WorkerFrame(event=frames_pb2.JobEvent(job_id=job, event=event)))

    def end(self, job: int, failure: frames_pb2.Failure | None = None) -> None:
        self.send(frames_pb2.WorkerFrame(ended=frames_pb2.JobEnded(job_id=job, failure=failure)))

    def run(self, order: frames_pb2.RunJob) -> None:
        word, _, rest = order.request.sequence_classification.text.partition(" ")
        if word == "fail":
            failure = frames_pb2.Failure(code=int(rest), message="as you wish")
            return self.end(order.job_id, failure)
        if order.only_forecast:
            getattr(self, f"do_{word}" if word != "hello" else "forecast")(order, rest)
            return None
        header = self.header(order)
        if word == "flood" and rest:
            header.warnings.add(code="LONG", message=int(rest) * "x")
        self.event(order.job_id, pb.StreamExplainResponse(header=header))
        getattr(self, f"do_{word}", self.do_hello)(order, rest)
        return None

    def forecast(self, order: frames_pb2.RunJob, _: str) -> None:
        known = pb.Cost(compute_time=Duration(seconds=2))
        forecast = pb.EstimateCostResponse(windows=self.cancellations, expected=known)
        self.send(frames_pb2.WorkerFrame(event=frames_pb2.JobEvent(job_id=order.job_id, forecast=forecast)))
        self.end(order.job_id)

    def header(self, order: frames_pb2.RunJob) -> pb.Header:
        header = pb.Header(request_id=order.request_id, model=order.request.model)
        header.warnings.add(code="CANCELLATIONS", message=str(self.cancellations))
        header.warnings.add(code="PID", message=str(os.getpid()))
        header.warnings.add(code="SECONDS_LEFT", message=str(order.seconds_left))
        if order.HasField("time_limit"):
            header.warnings.add(code="TIME_LIMIT", message=str(order.time_limit))
        header.warnings.add(code="ESTIMATE_INTERVAL", message=str(order.estimate_interval))
        header.warnings.add(code="THREADS", message=str(self.start.threads))
        return header

    def estimate(self, order: frames_pb2.RunJob, first: int, scores: list[float], **fields: object) -> None:
        estimate = pb.Estimate(first_token=first, scores=scores, **fields)  # type: ignore[arg-type]
        self.event(order.job_id, pb.StreamExplainResponse(estimate=estimate))

    def finish(self, order: frames_pb2.RunJob) -> None:
        cost = pb.Cost(points=50, compute_time=Duration(seconds=8))
        summary = pb.Summary(cost=cost, worker=pb.WorkerInfo(id=self.start.worker_id))
        self.event(order.job_id, pb.StreamExplainResponse(summary=summary))
        self.end(order.job_id)

    def do_hello(self, order: frames_pb2.RunJob, _: str) -> None:
        self.estimate(order, 0, [0.5, 0.25], final=True, points=50)
        self.finish(order)

    def do_stream(self, order: frames_pb2.RunJob, count: str) -> None:
        for n in range(int(count)):
            if order.partial_estimates:
                self.estimate(order, 0, [float(n)], points=n, round=n + 1)
        self.do_hello(order, "")

    def do_chunks(self, order: frames_pb2.RunJob, _: str) -> None:
        for target in (1, 0):
            self.estimate(order, 2, [3.0], score_errors=[0.3], target=target, final=True)
            self.estimate(order, 0, [1.0, 2.0], score_errors=[0.1, 0.2], target=target, final=True)
        self.finish(order)

    def do_flood(self, order: frames_pb2.RunJob, _: str) -> None:
        while not self.cancelled[order.job_id].is_set():
            self.estimate(order, 0, [0.1] * 256)
        self.end(order.job_id)

    def do_hang(self, order: frames_pb2.RunJob, _: str) -> None:
        self.cancelled[order.job_id].wait()
        self.end(order.job_id)

    def do_deaf(self, order: frames_pb2.RunJob, _: str) -> None:
        threading.Event().wait()

    def do_crash(self, order: frames_pb2.RunJob, _: str) -> None:
        os._exit(5)

    def do_unfinished(self, order: frames_pb2.RunJob, _: str) -> None:
        self.end(order.job_id)

    def do_garbage(self, order: frames_pb2.RunJob, _: str) -> None:
        self.connection.sendall(b"\xff" * 64)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    Scripted(socket.socket(fileno=parser.parse_args().fd)).serve()
