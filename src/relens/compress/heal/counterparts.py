"""Kept operations of teacher and student that do the same."""

from relens.errors import BadModel
from relens.graph import Graph, Op
from relens.lift import Lifted, listed


def counterparts(teacher: Lifted, student: Lifted) -> list[Op]:
    """For each operation that the student keeps, the teacher's.

    It is the one at the same place where both keep the same operations, else the one whose results have the same
    names, for steps that take blocks out leave names as they are. The teacher may keep others besides.

    Raises:
        BadModel: RL-LIFT-003 when there is none.
    """
    theirs, mine = ([kept.op for kept in lifted.kept] for lifted in (teacher, student))
    if [op.name for op in theirs] == [op.name for op in mine]:
        return theirs
    named = {_names(teacher.graph, op): op for op in theirs}
    lone = next((op for op in mine if _names(student.graph, op) not in named), None)
    if lone is not None:
        raise unlike(teacher, student, f"{lone.name} (op {lone.index}) of the student is not in the teacher")
    return [named[_names(student.graph, op)] for op in mine]


def unlike(teacher: Lifted, student: Lifted, why: str) -> BadModel:
    """Teacher and student that cannot be laid side by side."""
    return BadModel(
        "RL-LIFT-003",
        f"{why}; operations that stay as they are: in the teacher {listed(teacher.kept)}, "
        f"in the student {listed(student.kept)}",
        hint="take a student made from the teacher, or leave `distil`, `heal` and `qat` out of [recipe]: relens build",
    )


def _names(graph: Graph, op: Op) -> tuple[str, ...]:
    return op.name, *(graph.tensors[index].tensor_name for index in op.outputs)
