"""Which instruction sets a piece of machine code uses."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

MOST_PLACES = 3

# iced's names for what Intel's manual calls CPUID feature flags, by Linux's names for the same. Left out is what every
# processor has that relens runs on, and what only an operating system uses.
_X86 = {
    "AVX": "avx", "AVX2": "avx2", "FMA": "fma", "F16C": "f16c", "FMA4": "fma4", "XOP": "xop",
    "BMI1": "bmi1", "BMI2": "bmi2", "LZCNT": "abm", "ADX": "adx", "MOVBE": "movbe", "AES": "aes",
    "PCLMULQDQ": "pclmulqdq", "SHA": "sha_ni", "RDRAND": "rdrand", "RDSEED": "rdseed", "POPCNT": "popcnt",
    "SSE3": "pni", "SSSE3": "ssse3", "SSE4_1": "sse4_1", "SSE4_2": "sse4_2", "SSE4A": "sse4a", "GFNI": "gfni",
    "VAES": "vaes", "VPCLMULQDQ": "vpclmulqdq", "AVX_VNNI": "avx_vnni", "AVX_VNNI_INT8": "avx_vnni_int8",
    "AVX512F": "avx512f", "AVX512BW": "avx512bw", "AVX512DQ": "avx512dq", "AVX512VL": "avx512vl",
    "AVX512CD": "avx512cd", "AVX512_VNNI": "avx512_vnni", "AVX512_VBMI": "avx512vbmi", "AVX512_FP16": "avx512_fp16",
    "AVX512_BF16": "avx512_bf16",
}  # fmt: skip

# Encodings of the Arm Architecture Reference Manual (DDI 0487, C4.1): mask, value, and Linux's name in /proc/cpuinfo.
_ARM = (
    (0x3F200C00, 0x38200000, "atomics"),  # LDADD, LDCLR, LDEOR, LDSET, SWP and their like
    (0x3FA07C00, 0x08A07C00, "atomics"),  # CAS
    (0xBF20FC00, 0x0E009400, "asimddp"),  # SDOT, vectors
    (0xBF20FC00, 0x2E009400, "asimddp"),  # UDOT, vectors
    (0xBFC0F400, 0x0F80E000, "asimddp"),  # SDOT, by element
    (0xBFC0F400, 0x2F80E000, "asimddp"),  # UDOT, by element
    (0xFFE0FC00, 0x4E80A400, "i8mm"),  # SMMLA
    (0xFFE0FC00, 0x6E80A400, "i8mm"),  # UMMLA
    (0xFFE0FC00, 0x6E40EC00, "bf16"),  # BFMMLA
    (0xBF60FC00, 0x0E400C00, "asimdhp"),  # FMLA, vectors of half precision
)


@dataclass(frozen=True)
class Instructions:
    """counts: how many by instruction set. places: addresses of the first ones. asks: whether `cpuid` is among them."""

    counts: dict[str, int]
    places: dict[str, tuple[int, ...]]
    asks: bool

    def beyond(self, has: Iterable[str]) -> dict[str, int]:
        """Those that a processor with these instruction sets has not."""
        return {name: count for name, count in self.counts.items() if name not in set(has)}


def scan(code: Iterable[tuple[int, bytes]], architecture: str) -> Instructions:
    """Walk through machine code from its start, as a disassembler does.

    What a compiler puts between functions decodes into something too; so a handful of rare instructions proves nothing,
    and hundreds do.

    Args:
        code: address and content of each section.
        architecture: `x86_64` or `aarch64`; nothing is known of others.
    """
    counts: Counter[str] = Counter()
    places: dict[str, list[int]] = {}
    asks = False
    walk = {"x86_64": _x86, "aarch64": _arm}.get(architecture)
    for address, content in code if walk else ():
        assert walk is not None
        for name, place, count in walk(address, content):
            if name == "cpuid":
                asks = True
                continue
            counts[name] += count
            if len(places.setdefault(name, [])) < MOST_PLACES:
                places[name].append(place)
    return Instructions(dict(counts), {name: tuple(found) for name, found in places.items()}, asks)


def _x86(address: int, content: bytes) -> Iterator[tuple[str, int, int]]:
    from iced_x86 import Decoder, Mnemonic

    names = _x86_features()
    # TZCNT is how compilers write BSF, which runs everywhere and answers the same for all but zero.
    silent, asking = {Mnemonic.TZCNT}, {Mnemonic.CPUID, Mnemonic.XGETBV}
    for one in Decoder(64, content, ip=address):
        features = one.cpuid_features()
        if one.mnemonic in asking:
            yield "cpuid", one.ip, 1
        if one.mnemonic not in silent:
            for feature in features:
                if feature in names:
                    yield names[feature], one.ip, 1


@cache
def _x86_features() -> dict[int, str]:
    from iced_x86 import CpuidFeature

    return {getattr(CpuidFeature, iced): linux for iced, linux in _X86.items()}


def _arm(address: int, content: bytes) -> Iterator[tuple[str, int, int]]:
    words = np.frombuffer(content[: len(content) // 4 * 4], "<u4")
    for mask, value, name in _ARM:
        found = np.flatnonzero(words & np.uint32(mask) == np.uint32(value))
        for place in found[:MOST_PLACES].tolist():
            yield name, address + 4 * place, 1
        if len(found) > MOST_PLACES:
            yield name, address + 4 * int(found[MOST_PLACES]), len(found) - MOST_PLACES
    # Scalable vectors have a corner of the encodings to themselves: bits 28 to 25 are 0010.
    scalable = np.flatnonzero((words >> np.uint32(25)) & np.uint32(0xF) == np.uint32(0b0010))
    if len(scalable):
        yield "sve", address + 4 * int(scalable[0]), len(scalable)
