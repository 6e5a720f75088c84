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


def test_a_detector_learns_its_one_tensor_of_boxes_and_the_features_of_every_head(yolox_graph) -> None:
    graph = Graph.read(yolox_graph)

    first, *features = targets(graph)

    assert (first.tensor, first.kind) == (graph.outputs[0].index, "values")
    shapes = sorted({graph.tensors[target.tensor].shape[1] for target in features})
    assert (shapes, len(list(heads(graph)))) == ([13, 26, 52], 9), "boxes, objectness and classes at three strides"
