from relens.pipeline.captions import Box, Spot, captions, text_box

AREA = Box(0, 0, 400, 200)


def test_a_lone_mark_is_named_right_beside_itself() -> None:
    (caption,) = captions([Spot("int8", 100, 100, 5)], [Box(95, 95, 105, 105)], [], AREA, 12)
    assert caption.anchor == "start" and not caption.far
    assert caption.box.left == 110, caption


def test_names_of_marks_in_one_place_do_not_overlap() -> None:
    spots = [Spot(f"candidate {n}", 200, 100, 6, must=True) for n in range(8)]
    placed = captions(spots, [Box(194, 94, 206, 106)], [], AREA, 12)
    assert len(placed) == 8
    boxes = [caption.box for caption in placed]
    assert all(a.overlap(b) == 0 for n, a in enumerate(boxes) for b in boxes[:n])
    assert all(box.within(AREA) for box in boxes)


def test_at_the_edge_the_name_stays_inside() -> None:
    (caption,) = captions([Spot("float32", 396, 100, 5)], [], [], AREA, 12)
    assert caption.anchor == "end" and caption.box.within(AREA)


def test_without_room_only_what_must_be_named_is_named() -> None:
    full = [Box(0, 0, 400, 200)]
    assert captions([Spot("int8", 200, 100, 5)], [], full, AREA, 12) == []
    assert len(captions([Spot("int8", 200, 100, 5, must=True)], [], full, AREA, 12)) == 1


def test_a_text_takes_room_on_the_side_of_its_anchor() -> None:
    start, middle, end = (text_box("abcd", 100, 50, anchor, 10) for anchor in ("start", "middle", "end"))
    assert start.left == 100 and end.right == 100
    assert middle.left + middle.right == 200
    assert start.top < 50 < start.bottom
