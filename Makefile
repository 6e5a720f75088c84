# relens: two commands on a fresh machine with Python (>= 3.11) and make:
#   make demo    set up, then take a real face detector from its file to a live page (DEMO=once: without waiting)
#   make test    set up, then run the tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= live

.PHONY: setup demo test test-system check format bench soak browser broker nspawn compiler rtsp sshd emulator lock clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements/workstation.txt pyproject.toml src/relens/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "relens: the workstation needs Python >= 3.11; try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements/workstation.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: setup
	$(BIN)/python examples/face/get.py
	$(BIN)/relens build examples/face
	$(BIN)/relens run examples/face/face.relens --camera examples/face/carphone.mp4 $(if $(filter once,$(DEMO)),--frames 200 --port 0)

# Two tests at a time; then, one by one, what measures speed or drives a browser.
test: setup browser broker
	$(BIN)/python -m pytest -m "not system and not alone" -n 2 --dist worksteal
	$(BIN)/python -m pytest -m "alone and not system"

# Slow, or about the machine itself: a light install in an environment of its own, a service in a booted systemd.
test-system: setup broker nspawn compiler rtsp sshd emulator
	$(BIN)/python -m pytest -m system

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The live loop against the bare engine, interleaved, on the demo's model and clip.
bench: setup
	$(BIN)/python examples/face/get.py
	test -f examples/face/face.relens || $(BIN)/relens build examples/face
	$(BIN)/python bench/live_loop.py --bundle examples/face/face.relens --camera examples/face/carphone.mp4

# Half an hour at full rate, with something going wrong every minute, on the demo's detector and clip.
soak: setup
	$(BIN)/python examples/face/get.py
	test -f examples/face/face.relens || $(BIN)/relens build examples/face
	$(BIN)/python bench/soak.py examples/face/face.relens --camera examples/face/carphone.mp4

# What tests need of the system: $(1) shows that it is there; root gets the packages $(2); else $(3) is said.
define offer
	@{ $(1); } >/dev/null 2>&1 || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -y -qq $(2) >/dev/null; } || echo "$(3) (install $(2))"
endef

# The live page's test drives a real Chromium; without one it is skipped, in CI it fails.
browser:
	$(call offer,command -v chromium,chromium,no Chromium here: the live page's browser test is skipped)

# The MQTT tests talk to a real mosquitto; without one they are skipped, in CI they fail.
broker:
	$(call offer,test -x /usr/sbin/mosquitto,mosquitto,no mosquitto here: the MQTT tests are skipped)

# The service's test boots a systemd in a container; without root or systemd-nspawn it is skipped, in CI it fails.
nspawn:
	$(call offer,command -v systemd-nspawn,systemd-container,no systemd-nspawn here: the service's test is skipped)

# A library of twenty lines that lets a clock jump; without a compiler its test is skipped, in CI it fails.
compiler:
	$(call offer,command -v cc || command -v tcc,tcc,no C compiler here: the clock's test is skipped)

# A real network camera: GStreamer's RTSP server; without it its test is skipped, in CI it fails.
RTSP := python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
HAS_RTSP := /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")'
rtsp:
	$(call offer,$(HAS_RTSP),$(RTSP),no RTSP server here: its test is skipped)

# A camera box reached over a real sshd; without it, or without sudo, its test is skipped, in CI it fails.
sshd:
	$(call offer,command -v sudo && test -x /usr/sbin/sshd,openssh-server sudo,no sshd or no sudo here: SSH's test is skipped)

# A DeepLens' system for real and its processor emulated; without them their tests are skipped, in CI they fail.
HAS_EMULATOR := command -v debootstrap && command -v qemu-x86_64
emulator:
	$(call offer,$(HAS_EMULATOR),debootstrap qemu-user,no debootstrap or no qemu here: the DeepLens' tests are skipped)

# All lock files, from pyproject.toml: the camera side's by the glibc they load on, with OpenVINO and without.
COMPILE = $(BIN)/uv pip compile --quiet --universal --no-header --no-emit-index-url --constraint requirements/pins.in
CAMERA = $(COMPILE) --generate-hashes --no-annotate --python-version 3.10 --extra legacy pyproject.toml
LOCKS := src/relens/kit/locks
lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(CAMERA) --output-file $(LOCKS)/glibc-2.28.txt
	$(CAMERA) --extra openvino --output-file $(LOCKS)/glibc-2.28-openvino.txt
	$(CAMERA) --constraint requirements/pins-glibc2.17.in --output-file $(LOCKS)/glibc-2.17.txt
	$(CAMERA) --constraint requirements/pins-glibc2.17.in --extra openvino --output-file $(LOCKS)/glibc-2.17-openvino.txt
	echo pip | $(COMPILE) --generate-hashes --no-annotate --python-version 3.10 - --output-file $(LOCKS)/pip.txt
	$(COMPILE) --python-version 3.11 --all-extras --group dev pyproject.toml --output-file requirements/workstation.txt

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
