"""Device profiles: what the machine that will run the model can do."""

import os
import platform
from difflib import get_close_matches
from importlib import resources
from pathlib import Path

from relens.errors import BadConfig
from relens.spec.latency import LatencyModel
from relens.spec.strict import Strict, validate
from relens.spec.toml import read_table

THIS_MACHINE = "this-machine"
_TOLD = ("avx", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "fma", "f16c", "sse4_1", "sse4_2", "ssse3", "neon",
         "asimd", "asimddp")  # fmt: skip


class System(Strict):
    """What is installed on a device.

    libc: version of glibc. libstdcxx, cxxabi, libgcc: the newest symbol versions of
    its compiler's libraries, GLIBCXX, CXXABI and GCC. pythons: its own Pythons that
    relens runs on, as `3.11`, the one to take first; none: a kit brings one. systemd: version; None without.
    disk_mb: what is free, 1e6 bytes.
    """

    title: str = ""
    libc: str | None = None
    libstdcxx: str | None = None
    cxxabi: str | None = None
    libgcc: str | None = None
    pythons: tuple[str, ...] = ()
    systemd: int | None = None
    kernel: str | None = None
    disk_mb: int | None = None


class DeviceCamera(Strict):
    """The camera that is built in. width, height: of a full frame, pixels; streams: what `--camera` takes."""

    width: int | None = None
    height: int | None = None
    streams: tuple[str, ...] = ()
    note: str = ""


class Network(Strict):
    """What others can reach. ports: open in its firewall; None: it has none."""

    ports: tuple[int, ...] | None = None


class Emulation(Strict):
    """How to run its code elsewhere. cpu: a processor of qemu's that has its instruction sets, and no other."""

    cpu: str | None = None


class Device(Strict):
    """A processor and its surroundings.

    memory_mb counts 1e6 bytes. `instruction_sets` are the names Linux gives them in /proc/cpuinfo. sources: where the
    facts are from. latency: what estimates are made of; None: there are none.
    """

    name: str
    title: str
    processor: str
    architecture: str
    cores: int
    memory_mb: int
    instruction_sets: tuple[str, ...]
    engines: tuple[str, ...]
    sources: tuple[str, ...] = ()
    system: System = System()
    camera: DeviceCamera = DeviceCamera()
    network: Network = Network()
    emulation: Emulation = Emulation()
    latency: LatencyModel | None = None

    @property
    def is_this_machine(self) -> bool:
        """Whether a latency measured here is the device's own."""
        return self.name == THIS_MACHINE

    @property
    def engine_threads(self) -> int:
        """How many threads an engine gets unless told otherwise: all cores but one.

        The one is for capture, decoding, drawing and viewers. Measured on two cores with YOLOX-nano and a viewer: with
        one engine thread the live loop reaches 0.97 of the engine's own rate, with two 0.83 of a higher one.
        """
        return max(1, self.cores - 1)

    @property
    def int8_saturates(self) -> bool:
        """Whether u8*s8 multiply-adds saturate in 16 bits, as on x86 without VNNI (OpenVINO's int8)."""
        return self.architecture == "x86_64" and not any("vnni" in name for name in self.instruction_sets)


def profiles() -> tuple[str, ...]:
    """The names that `[device] profile` takes."""
    files = resources.files("relens.spec").joinpath("profiles").iterdir()
    return (
        THIS_MACHINE,
        *sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")),
    )


def device(profile: str = THIS_MACHINE) -> Device:
    """Look a profile up, or inspect this machine.

    Args:
        profile: one of `profiles()`, or the path of a profile file (`*.toml`).

    Raises:
        BadConfig: RL-CONFIG-004 for an unknown name.
    """
    if profile == THIS_MACHINE:
        return this_machine()
    if profile.endswith(".toml"):
        path = Path(profile)
    elif profile in profiles():
        path = Path(str(resources.files("relens.spec").joinpath("profiles", f"{profile}.toml")))
    else:
        near = get_close_matches(profile, profiles(), n=1)
        raise BadConfig(
            "RL-CONFIG-004",
            f"unknown device profile `{profile}`",
            hint=f"did you mean `{near[0]}`?" if near else f"known profiles: {', '.join(profiles())}",
        )
    return validate(Device, {"name": path.stem, **read_table(path)}, where=path)


def this_machine() -> Device:
    """Inspect the machine this runs on."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    fields = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in cpuinfo.splitlines() if ":" in line)
    }
    flags = fields.get("flags", fields.get("Features", "")).split()
    name, _, libc = (this_libc() or "").partition(" ")
    return Device(
        name=THIS_MACHINE,
        title=f"this machine ({platform.node()})",
        processor=fields.get("model name", platform.processor() or "unknown"),
        architecture=platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        instruction_sets=tuple(name for name in _TOLD if name in flags),
        engines=("litert", "openvino"),
        system=System(
            title=platform.platform(terse=True),
            libc=libc if name == "glibc" else None,
            pythons=(platform.python_version(),),
        ),
    )


def this_libc() -> str | None:
    """The C library that runs, as `glibc 2.36`; None where it does not say."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        return None
