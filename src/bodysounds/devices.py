"""Which device computes, and in which precision."""

from __future__ import annotations

import multiprocessing

import torch

from bodysounds.workers import in_worker, own_threads

BF16_CAPABILITIES = ("avx512_bf16", "amx_bf16")


def choose_device(name: str) -> torch.device:
    """Return the device of `auto` (a CUDA device where there is one), `cpu`, `cuda` or `cuda:N`.

    Raises ValueError for another name, and for a device that is not there.
    """
    n_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if n_cuda else "cpu")
    kind, _, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (":" in name and not number.isdigit())):
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}")
    if kind == "cuda" and int(number or 0) >= n_cuda:
        raise ValueError(
            f"device {name!r} is not there: torch sees {n_cuda} CUDA device(s); auto takes what is"
        )
    return torch.device(name)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Return whether to compute in bfloat16: `bf16`, or `auto` on a chip that has it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return any(bool(has.get(name)) for name in BF16_CAPABILITIES)


def share_cores() -> None:
    """Let torch use its share of the cores in a process that works beside others.

    Branches that run at once would else fight for the cores: under Kedro's ParallelRunner each has
    one, and in a Dask worker those that the runner gave it.
    """
    if in_worker():
        torch.set_num_threads(own_threads())
    elif multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
