"""Instruction sets by machine code that was assembled by hand, from the manuals."""

import pytest

from relens.kit.instructions import scan

X86 = {
    "avx": "c5f458c1",  # vaddps ymm0, ymm1, ymm1
    "avx2": "c5f5fec1",  # vpaddd ymm0, ymm1, ymm1
    "fma": "c4e27198c2",  # vfmadd132ps xmm0, xmm1, xmm2
    "bmi2": "c4e2f3f6c2",  # mulx rax, rcx, rdx
    "abm": "f30fbdc1",  # lzcnt eax, ecx
    "sse4_2": "f20f38f1c1",  # crc32 eax, ecx
    "avx512f": "62f1744858c2",  # vaddps zmm0, zmm1, zmm2
}
ARM = {
    "atomics": [0xB8210040, 0x88A07C41],  # ldadd w1, w0, [x2]; cas w0, w1, [x2]
    "asimddp": [0x4E829420, 0x6E829420],  # sdot and udot v0.4s, v1.16b, v2.16b
    "i8mm": [0x4E82A420],  # smmla v0.4s, v1.16b, v2.16b
    "sve": [0x04A00000],  # add z0.s, z0.s, z0.s
}


@pytest.mark.parametrize(("name", "code"), X86.items())
def test_an_instruction_counts_for_its_set(name: str, code: str) -> None:
    found = scan([(0x1000, bytes.fromhex("90" + code + "c3"))], "x86_64")
    assert found.counts[name] == 1, found
    assert found.places[name] == (0x1001,)
    assert not found.asks


def test_what_every_processor_has_counts_for_nothing() -> None:
    plain = "554889e5" + "0f58c1" + "f30fbcc1" + "5dc3"  # push, mov, addps, tzcnt (which is bsf elsewhere), pop, ret
    assert scan([(0, bytes.fromhex(plain))], "x86_64").counts == {}


def test_a_question_to_the_processor_is_seen() -> None:
    assert scan([(0, bytes.fromhex("0fa2c3"))], "x86_64").asks


@pytest.mark.parametrize(("name", "words"), ARM.items())
def test_arm_instructions_count_for_their_sets(name: str, words: list[int]) -> None:
    nothing = [0xD503201F, 0x4EA28420, 0x885FFC20]  # nop; add v0.4s, v1.4s, v2.4s; ldaxr w0, [x1]
    code = b"".join(word.to_bytes(4, "little") for word in (*nothing, *words))
    assert scan([(0, code)], "aarch64").counts == {name: len(words)}


def test_many_arm_instructions_are_all_counted() -> None:
    found = scan([(0, (0x4E829420).to_bytes(4, "little") * 50)], "aarch64")
    assert found.counts == {"asimddp": 50} and found.places["asimddp"] == (0, 4, 8)


def test_nothing_is_known_of_other_processors() -> None:
    assert scan([(0, b"\x00" * 64)], "riscv64").counts == {}
