import resource
import subprocess
import sys

MEGABYTES = 64
PAGES = MEGABYTES * 2**20 // resource.getpagesize()

SCRIPT = f"""
import resource, sys
if sys.argv[1] == "keep":
    from relens.compress.heal.memory import keep_freed_memory
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * ({MEGABYTES} * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def test_freed_memory_is_given_out_again_without_going_through_the_kernel() -> None:
    assert _faults("leave") >= PAGES
    assert _faults("keep") < PAGES / 10


def _faults(what: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, what], capture_output=True, text=True, check=True)
    return int(done.stdout)
