"""Rounds of a benchmark: jobs made ready before, run by several clients at once, and timed."""

import threading
import time
from collections.abc import Callable, Sequence

Job = Callable[[], object]


class Rounds:
    """What the measured rounds of one kind took.

    Attributes:
        seconds: Measured time.
        cpu_s: Processor time of this process in it, user and system, all threads.
        took_s: Of each job.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.cpu_s = 0.0
        self.took_s: list[float] = []

    @property
    def per_s(self) -> float:
        """Jobs a second."""
        return len(self.took_s) / self.seconds

    @property
    def cpu_s_per_1000(self) -> float:
        """Processor time of this process for 1,000 jobs, in seconds."""
        return 1_000 * self.cpu_s / len(self.took_s)

    def quantile_ms(self, hundredth: int) -> float:
        """So many hundredths of the jobs took at most so long."""
        took = sorted(self.took_s)
        return took[len(took) * hundredth // 100] * 1_000

    def run(self, shares: Sequence[Sequence[Job]]) -> None:
        """Run one share in each of so many threads, all at once, and add what it took.

        Raises:
            Exception: What a job raised.
        """
        clients = [_Client(share) for share in shares]
        start = threading.Barrier(len(clients) + 1)
        threads = [threading.Thread(target=client.run, args=(start,)) for client in clients]
        for thread in threads:
            thread.start()
        cpu = time.process_time()
        start.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        self.seconds += time.perf_counter() - began
        self.cpu_s += time.process_time() - cpu
        for client in clients:
            if client.failed is not None:
                raise client.failed
            self.took_s += client.took_s


class _Client:
    def __init__(self, jobs: Sequence[Job]) -> None:
        self.took_s: list[float] = []
        self.failed: BaseException | None = None
        self._jobs = jobs

    def run(self, start: threading.Barrier) -> None:
        start.wait()
        try:
            for job in self._jobs:
                began = time.perf_counter()
                job()
                self.took_s.append(time.perf_counter() - began)
        except BaseException as failure:  # noqa: BLE001 - raised where the round is waited for
            self.failed = failure
