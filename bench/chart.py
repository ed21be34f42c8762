"""Draws a load run: freshness, syncs per slot, memory and CPU over time."""

from pathlib import Path
from typing import Any


def draw(report: dict[str, Any], path: Path) -> None:
    """Four panels over the measured minutes, as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, ((fresh, slots), (memory, cpu)) = plt.subplots(2, 2, figsize=(12, 7), layout="constrained")
    for platform, figures in report["platforms"].items():
        at = [point["seconds"] / 60 for point in figures["freshness"]]
        for name, marker in (("p50", "."), ("p95", "^")):
            fresh.plot(at, [point[name] for point in figures["freshness"]], marker, label=f"{platform} {name}")
    fresh.axhline(60, color="red", linewidth=0.8)
    fresh.set(title="platform change → stored", ylabel="s", ylim=(0, None))

    number, below = range(len(report["slots"])), [0] * len(report["slots"])
    for name, color in (("done", "tab:green"), ("late", "tab:orange"), ("missing", "tab:red")):
        counts = [point[name] for point in report["slots"]]
        slots.bar([point / 2 for point in number], counts, width=0.45, bottom=below, color=color, label=name, align="edge")
        below = [low + count for low, count in zip(below, counts, strict=True)]
    slots.set(title="syncs per slot of 30 s", ylabel="connections")

    minutes = [point["seconds"] / 60 for point in report["samples"]]
    for name, label in (("worker_mb", "worker"), ("total_mb", "with Prefect server")):
        memory.plot(minutes, [point[name] for point in report["samples"]], label=label)
    memory.axhline(512, color="red", linewidth=0.8)
    memory.set(title="memory (RSS)", ylabel="MB", ylim=(0, None))

    for name in ("worker", "server", "sandbox", "machine"):
        cpu.plot(minutes, [point[f"{name}_cpu"] for point in report["samples"]], label=name, linewidth=0.9)
    cpu.set(title="CPU", ylabel="% of one core", ylim=(0, None))
    for axes in (fresh, slots, memory, cpu):
        axes.set_xlabel("minutes")
        axes.legend(loc="best", fontsize="small")
    shares = ", ".join(f"{figures['connections']} {platform}" for platform, figures in report["platforms"].items())
    figure.suptitle(f"{report['connections']} realtime connections ({shares})")
    figure.savefig(path, dpi=110)
    plt.close(figure)
