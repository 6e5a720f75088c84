"""Whether shared objects would load and run on a device, by what is in them and not by what their wheel says. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relens.kit.objects import SharedObject
from relens.kit.versions import version_of
from relens.spec import Device

# What a system has without anything being installed: glibc itself, the compiler's libraries, and zlib, which `dpkg`
# needs. Everything else has to be in the kit.
SYSTEM_LIBRARIES = frozenset({
    "libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1",
    "libresolv.so.2",     "libcrypt.so.1", "libnsl.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
    "libgcc_s.so.1", "libstdc++.so.6", "libz.so.1",
})  # fmt: skip
# LiteRT's for accelerators, OpenVINO's for graphics and neural processors: looked for only when they are asked for.
PLUG_INS = ("/vendors/", "_gpu_plugin", "_npu_plugin")
# A few odd instructions are data between functions that decodes into something.
LEAST_INSTRUCTIONS = 20


@dataclass(frozen=True)
class Refusal:
    """Why one object would not run there. object: its package and name."""

    object: str
    why: str

    def __str__(self) -> str:
        return f"{self.object} {self.why}"


@dataclass(frozen=True)
class Judgement:
    """What was found in a kit's objects.

    refusals: what would not load or run. idle: plug-ins for hardware that is not there, and why each cannot load;
    nothing in the kit links to them. dispatched: object and instruction sets it holds that the device has not, and
    that it takes only where the processor has them; so it says, and an emulated run proves it.
    """

    objects: int
    glibc: str
    libstdcxx: str
    refusals: tuple[Refusal, ...]
    idle: tuple[Refusal, ...]
    dispatched: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def fits(self) -> bool:
        """Whether all of it would load."""
        return not self.refusals

    def __str__(self) -> str:
        if self.refusals:
            return "\n".join(f"REFUSED {refusal}" for refusal in self.refusals)
        told = f"{self.objects} shared objects; they need glibc {self.glibc} and GLIBCXX {self.libstdcxx} at most"
        if self.dispatched:
            told += f"; {len(self.dispatched)} hold code for newer processors too, and ask the processor first"
        if self.idle:
            told += f"; {len({one.object for one in self.idle})} plug-ins for other hardware stay idle"
        return told


def judge(objects: Sequence[SharedObject], device: Device) -> Judgement:
    """Hold each object against the device's C libraries, processor and what else is in the kit.

    Args:
        objects: all of a kit.
        device: where they are to run; what its profile does not say is not asked.
    """
    here = {name for one in objects for name in (one.soname, one.name.rpartition("/")[2]) if name}
    asking = {one.soname or one.name.rpartition("/")[2] for one in objects if one.asks}
    linked = {library for one in objects for library in one.libraries}
    refusals = [
        Refusal(str(one), why)
        for one in objects
        for why in (*_foreign(one, device), *_too_new(one, device, here), *_beyond(one, device, asking))
    ]
    lacking = [(one, Refusal(str(one), why)) for one in objects for why in _missing(one, here)]
    refusals += [why for one, why in lacking if not _is_plug_in(one, linked)]
    idle = [why for one, why in lacking if _is_plug_in(one, linked)]
    dispatched = [
        (str(one), tuple(sorted(wide)))
        for one in objects
        if one.architecture == device.architecture and (wide := _wide(one, device))
    ]
    newest = {
        family: max((one.newest[family].number for one in objects if family in one.newest), default=())
        for family in ("GLIBC", "GLIBCXX")
    }
    told = {family: ".".join(map(str, number)) or "none" for family, number in newest.items()}
    return Judgement(len(objects), told["GLIBC"], told["GLIBCXX"], tuple(refusals), tuple(idle), tuple(dispatched))


def _foreign(one: SharedObject, device: Device) -> Iterable[str]:
    if one.architecture != device.architecture:
        yield f"is for {one.architecture}, and {device.title} is {device.architecture}"


def _too_new(one: SharedObject, device: Device, here: set[str]) -> Iterable[str]:
    system = device.system
    families = {
        "GLIBC": ("glibc", system.libc),
        "GLIBCXX": ("libstdc++", system.libstdcxx),
        "CXXABI": ("libstdc++", system.cxxabi),
        "GCC": ("libgcc", system.libgcc),
    }
    for family, (what, has) in families.items():
        needed = one.newest.get(family)
        if has and needed and needed.library not in here and needed.number > version_of(has):
            yield (
                f"needs {needed.symbol}@{needed.version} of {needed.library}, "
                f"and the {what} of {device.system.title or device.title} ends at {family}_{has}"
            )


def _missing(one: SharedObject, here: set[str]) -> Iterable[str]:
    for library in one.libraries:
        if library not in here | SYSTEM_LIBRARIES:
            yield f"loads {library}, which is neither in the kit nor in every system"


def _is_plug_in(one: SharedObject, linked: set[str]) -> bool:
    """For hardware that is not there, and loaded by name where it is: nothing links to it."""
    return any(mark in one.name for mark in PLUG_INS) and not {one.soname, one.name.rpartition("/")[2]} & linked


def _beyond(one: SharedObject, device: Device, asking: set[str]) -> Iterable[str]:
    """Code for another processor in an object that never asks which one it is on, nor loads one that does."""
    wide = _wide(one, device)
    if wide and not one.asks and not asking & set(one.libraries):
        most = max(wide, key=lambda name: wide[name])
        place = one.instructions.places[most][0]
        yield (
            f"uses {most} ({wide[most]} instructions, the first at {place:#x}), which {device.processor} has not, "
            "and never asks the processor"
        )


def _wide(one: SharedObject, device: Device) -> dict[str, int]:
    beyond = one.instructions.beyond(device.instruction_sets)
    return {name: count for name, count in beyond.items() if count >= LEAST_INSTRUCTIONS}
