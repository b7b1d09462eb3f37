"""Compile the CUDA kernels beside this file and write their listings: `make kernels`.

Needs nvcc and nvdisasm on the PATH and a host C++ compiler; no GPU. The wheels nvidia-cuda-nvcc, nvidia-cuda-crt,
nvidia-nvvm, nvidia-cuda-runtime, nvidia-cuda-cccl and nvidia-cuda-nvdisasm of PyPI hold everything:

    PATH=.../site-packages/nvidia/cu13/bin:$PATH python compile.py

A listing is what `nvdisasm -hex` prints of the code and of shared memory, without layout and padding, an instruction
on one line. Registers stand in a .sectioninfo, where architectures before sm_120 have them anyway.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_120")
HERE = Path(__file__).parent
LISTINGS = HERE.parent / "listings"
FLAGS = ("-O3", "-std=c++17")


def main() -> None:
    """Write a listing for every kernel and architecture."""
    release = re.search(r"release .*", _run("nvcc", "--version"))
    assert release is not None
    include = Path(_run("sh", "-c", "command -v nvcc").strip()).parent.parent / "include"
    for arch in ARCHITECTURES:
        folder = LISTINGS / arch
        folder.mkdir(parents=True, exist_ok=True)
        for source in sorted(HERE.glob("*.cu")):
            with tempfile.TemporaryDirectory() as scratch:
                cubin = str(Path(scratch) / "kernel.cubin")
                _run("nvcc", *FLAGS, f"-arch={arch}", "-cubin", f"-I{include}", "-o", cubin, str(source))
                text = _run("nvdisasm", "-hex", cubin)
            head = f"// {source.name}, nvcc {release[0]}: {' '.join(FLAGS)} -arch={arch}\n"
            (folder / f"{source.stem}.sass").write_text(head + compact(text, source.stem))
            print(folder.name, source.stem)


def compact(text: str, name: str) -> str:
    """Return the code of a kernel and its shared memory, an instruction on each line."""
    registers = re.search(r"SHI_REGISTERS=(\d+)", text)
    count = int(registers[1]) if registers else int(re.findall(
        r"EIATTR_REGCOUNT.*?index@.*?\.word\s+0x([0-9a-f]+)", text, re.S)[0], 16)
    target, size = re.search(r"\.target\s+sm_\w+", text), re.search(r"\.size\s+" + name + r",.*", text)
    assert target is not None
    assert size is not None
    lines = [target[0], f".section .text.{name}", f'.sectioninfo @"SHI_REGISTERS={count}"', size[0]]
    code = text[text.index(f".text.{name}:") :].partition("\n//-----")[0]
    for line in re.sub(r"\*/\s*\n\s*/\* 0x", "*/ /* 0x", code).splitlines()[1:]:
        if line.strip():
            lines.append(re.sub(r"\s+", " ", line.strip()))
    end = re.search(r"\((\S+) - ", size[0])
    assert end is not None
    while re.search(r"\bNOP ?;", lines[-2]) and lines[-1] == f"{end[1]}:":
        del lines[-2]
    if shared := re.search(rf"^\.nv\.shared\.{name}:\s*\n(?:\s*\.zero\s+\d+\s*\n)+", text, re.M):
        lines += [" ".join(line.split()) for line in shared[0].splitlines()]
    return "\n".join(lines) + "\n"


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True).stdout


if __name__ == "__main__":
    main()
