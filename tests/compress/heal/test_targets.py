from relens.compress.heal.targets import heads, targets
from relens.graph import Graph


def test_behind_a_softmax_the_student_learns_the_logits(lesson) -> None:
    first, *rest = targets(lesson.graph)

    softmax = next(op for op in lesson.graph.ops if op.name == "SOFTMAX")
    assert (first.tensor, first.kind) == (softmax.inputs[0], "classes")
    dense = next(op for op in lesson.graph.ops if op.name == "FULLY_CONNECTED")
    assert [(target.tensor, target.kind) for target in rest] == [(dense.inputs[0], "feature")]


def test_what_a_kept_operation_reads_is_matched_in_place_of_what_it_makes(lesson) -> None:
    softmax = next(op for op in lesson.graph.ops if op.name == "SOFTMAX")

    first, *_ = targets(lesson.graph, kept=[softmax.index])

    assert (first.tensor, first.kind) == (softmax.inputs[0], "values")


def test_a_detector_learns_boxes_as_values_and_scores_as_questions_and_the_features_of_every_head(yolox_graph) -> None:
    graph = Graph.read(yolox_graph)

    found = targets(graph)

    kinds = [target.kind for target in found]
    assert kinds[:9] == ["values", "independent", "independent"] * 3, "boxes, objectness and classes at three strides"
    assert [graph.tensors[target.tensor].shape[-1] for target in found[:9]] == [4, 1, 80] * 3
    for boxes, *scores in (found[:3], found[3:6], found[6:9]):
        assert boxes.scores == tuple(score.tensor for score in scores), "boxes know the scores of their own stride"
    features = [target.tensor for target in found[9:]]
    assert set(kinds[9:]) == {"feature"}
    assert sorted({graph.tensors[tensor].shape[1] for tensor in features}) == [13, 26, 52]
    assert len(list(heads(graph))) == 9


def test_where_a_kept_operation_reads_whole_numbers_the_floats_they_come_from_are_matched(interrupted) -> None:
    graph = interrupted.graph
    kept = [op for op in graph.ops if op.name in {"GATHER_ND", "CUMSUM"}]

    found = targets(graph, kept=[op.index for op in kept])

    compared = next(op for op in graph.ops if op.name == "GREATER")
    integers = next(op for op in kept if graph.tensors[op.inputs[0]].dtype == "int32")
    values = {target.tensor for target in found if target.kind == "values"}
    assert values == {compared.inputs[0], *(op.inputs[0] for op in kept if op is not integers)}
    assert {target.kind for target in found} == {"classes", "values", "feature"}


def test_what_a_kept_operation_makes_is_no_target(interrupted) -> None:
    graph = interrupted.graph
    dense = next(op for op in graph.ops if op.name == "FULLY_CONNECTED")

    found = targets(graph, kept=[dense.index])

    values = {target.tensor for target in found if target.kind == "values"}
    assert values == {graph.outputs[0].index, dense.inputs[0]}, "not the logits in front of the softmax"
    assert dense.outputs[0] not in {target.tensor for target in found}
