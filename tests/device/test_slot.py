import threading
import time

from relens.device.slot import Slot


def test_the_newest_value_replaces_an_older_one_and_counts_it() -> None:
    slot: Slot[int] = Slot()
    assert all(slot.put(number) for number in range(5))
    assert (slot.take(), slot.dropped) == (4, 4)


def test_a_lossless_slot_waits_until_the_value_is_taken() -> None:
    slot: Slot[int] = Slot(lossless=True)
    writer = threading.Thread(target=lambda: [slot.put(number) for number in range(100)] and slot.close())
    writer.start()
    assert list(slot) == list(range(100))
    writer.join()
    assert slot.dropped == 0


def test_closing_wakes_a_reader_that_waits() -> None:
    slot: Slot[int] = Slot()
    found: list[int | None] = []
    reader = threading.Thread(target=lambda: found.append(slot.take()))
    reader.start()
    slot.close()
    reader.join(timeout=5)
    assert found == [None]


def test_closing_wakes_a_writer_that_waits_and_keeps_the_last_value() -> None:
    slot: Slot[int] = Slot(lossless=True)
    slot.put(1)
    results: list[bool] = []
    writer = threading.Thread(target=lambda: results.append(slot.put(2)))
    writer.start()
    slot.close()
    writer.join(timeout=5)
    assert results == [False] and not slot.put(3)
    assert (slot.take(), slot.take()) == (1, None)


def test_waiting_takes_no_processor_time() -> None:
    slot: Slot[int] = Slot()
    used: list[float] = []

    def wait() -> None:
        before = time.thread_time()
        slot.take()
        used.append(time.thread_time() - before)

    reader = threading.Thread(target=wait)
    reader.start()
    time.sleep(0.3)
    slot.close()
    reader.join()
    assert used[0] < 0.05, used
