"""Shared objects by what is in them: the C library they need, and the instructions they hold."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from relens.kit.instructions import Instructions, scan
from relens.kit.versions import Version, version_of

_ELF = b"\x7fELF"
_ARCHITECTURES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64", "EM_386": "i686", "EM_ARM": "armv7l"}
_VERSIONED = re.compile(r"(GLIBC|GLIBCXX|CXXABI|GCC)_(\d+(?:\.\d+)*)")
# What no number says: which glibc can read relative relocations that are packed.
_NAMED = {"GLIBC_ABI_DT_RELR": "GLIBC_2.36"}
# What the loader picks by the processor itself: R_X86_64_IRELATIVE, R_AARCH64_IRELATIVE.
_IRELATIVE = {"x86_64": 37, "aarch64": 1032}
# How compiled code asks what the processor has, where it does not ask it directly (libgcc, glibc, the kernel).
_ASKING = frozenset({"__cpu_model", "__cpu_indicator_init", "__get_cpu_features", "getauxval", "__getauxval",
                     "__aarch64_have_lse_atomics", "init_have_lse_atomics"})  # fmt: skip


@dataclass(frozen=True)
class Needed:
    """A versioned symbol that a library from outside has to give. version: as `GLIBC_2.27`."""

    symbol: str
    version: str
    library: str

    @property
    def family(self) -> str:
        """`GLIBC`, `GLIBCXX`, ..."""
        return self.version.rpartition("_")[0]

    @property
    def number(self) -> Version:
        """As `(2, 27)`."""
        return version_of(self.version.rpartition("_")[2])


@dataclass(frozen=True)
class SharedObject:
    """One library, extension module or program.

    name: its path in the package. package: the file it came in. libraries: what it loads (`DT_NEEDED`). newest: by
    family, the versioned symbol that asks for the newest one. instructions: what its code holds beyond the least that
    its architecture has. asks: whether it finds out itself what the processor can do.
    """

    name: str
    package: str
    architecture: str
    soname: str | None
    libraries: tuple[str, ...]
    newest: Mapping[str, Needed]
    instructions: Instructions
    asks: bool

    def __str__(self) -> str:
        return f"{self.package}: {self.name}"


def is_object(start: bytes) -> bool:
    """Whether a file that starts so is an ELF file."""
    return start.startswith(_ELF)


def read_object(content: bytes, name: str, package: str) -> SharedObject:
    """Read one ELF file (System V ABI, gABI; symbol versions: the LSB core specification, chapter 10.7).

    Raises:
        ValueError: it is damaged.
    """
    try:
        elf = ELFFile(io.BytesIO(content))
        architecture = _ARCHITECTURES.get(elf["e_machine"], str(elf["e_machine"]))
        dynamic = elf.get_section_by_name(".dynamic")
        tags = list(dynamic.iter_tags()) if dynamic else []
        found = scan(_code(elf), architecture)
        return SharedObject(
            name,
            package,
            architecture,
            next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), None),
            tuple(tag.needed.rpartition("/")[2] for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
            _newest(elf),
            found,
            found.asks or bool(_symbols(elf) & _ASKING) or _chosen_by_loader(elf, architecture),
        )
    except (ELFError, KeyError, IndexError, UnicodeDecodeError, AttributeError) as trouble:
        raise ValueError(f"{package}: {name} is damaged: {trouble}") from None


def _code(elf: ELFFile) -> Iterator[tuple[int, bytes]]:
    for section in elf.iter_sections():
        if section["sh_type"] == "SHT_PROGBITS" and section["sh_flags"] & 4:  # SHF_EXECINSTR
            yield section["sh_addr"], section.data()


def _symbols(elf: ELFFile) -> frozenset[str]:
    table = elf.get_section_by_name(".dynsym")
    return frozenset(symbol.name for symbol in table.iter_symbols()) if table else frozenset()


def _newest(elf: ELFFile) -> dict[str, Needed]:
    """By family the needed version that is newest, with one symbol that needs it."""
    needs = elf.get_section_by_name(".gnu.version_r")
    versions, table = elf.get_section_by_name(".gnu.version"), elf.get_section_by_name(".dynsym")
    if needs is None:
        return {}
    kept: dict[str, tuple[int, Needed]] = {}
    for library, auxiliaries in needs.iter_versions():
        for auxiliary in auxiliaries:
            name = _NAMED.get(auxiliary.name, auxiliary.name)
            if _VERSIONED.fullmatch(name):
                needed = Needed("", name, library.name)
                before = kept.get(needed.family)
                if before is None or before[1].number < needed.number:
                    kept[needed.family] = (auxiliary["vna_other"], needed)
    names: dict[int, str] = {}
    if versions is not None and table is not None:
        wanted = {index for index, _ in kept.values()}
        for number in range(versions.num_symbols()):
            index = versions.get_symbol(number)["ndx"]
            if isinstance(index, int) and index & 0x7FFF in wanted:
                names.setdefault(index & 0x7FFF, table.get_symbol(number).name)
    return {
        family: Needed(names.get(index, "(no symbol)"), needed.version, needed.library)
        for family, (index, needed) in kept.items()
    }


def _chosen_by_loader(elf: ELFFile, architecture: str) -> bool:
    kind = _IRELATIVE.get(architecture)
    return any(
        any(row["r_info_type"] == kind for row in section.iter_relocations())
        for section in elf.iter_sections()
        if section["sh_type"] == "SHT_RELA"
    )
