"""Repeated samples of the memory and CPU time of processes."""

import time
from dataclasses import dataclass, field

from bench import processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Memory of the processes, and their CPU use since the previous sample, in per cent of one core."""

    seconds: float
    worker_mb: float
    total_mb: float
    worker_cpu: float
    server_cpu: float
    sandbox_cpu: float
    machine_cpu: float


@dataclass(slots=True)
class Watch:
    """Takes samples of ``adpulse up`` (the worker), its Prefect server and the sandbox."""

    worker: int
    sandbox: int
    samples: list[Sample] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _last: tuple[float, dict[str, float]] | None = None

    def begin(self) -> None:
        """Forget the samples; time begins now."""
        self.samples.clear()
        self._began = time.monotonic()

    def take(self) -> None:
        """One sample; the first only sets the marks."""
        server = processes.descendants(self.worker)
        used = {
            "worker_cpu": processes.cpu_seconds(self.worker),
            "server_cpu": sum(processes.cpu_seconds(pid) for pid in server),
            "sandbox_cpu": processes.cpu_seconds(self.sandbox),
            "machine_cpu": processes.machine_seconds(),
        }
        now = time.monotonic()
        if self._last:
            at, before = self._last
            worker_mb = processes.resident_mb(self.worker)
            total_mb = round(worker_mb + sum(processes.resident_mb(pid) for pid in server), 1)
            cpu = {name: round(max(0.0, used[name] - before[name]) / (now - at) * 100, 1) for name in used}
            self.samples.append(Sample(seconds=round(now - self._began, 1), worker_mb=worker_mb, total_mb=total_mb, **cpu))
        self._last = now, used
