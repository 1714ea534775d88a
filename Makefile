# make demo   shows the node at work
# make test   runs lint and every test that this machine can run
# make fast   runs the tests that start no ROS nodes and are not slow
# All of them need x86_64 Linux, Python 3.11 to 3.13 with venv (package python3-venv on Ubuntu) and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A sourced ROS would leak its own packages and middleware into the environment.
# Without cached bytecode, every process of the tests would compile the package again.
CLEAN := env -u PYTHONDONTWRITEBYTECODE -u PYTHONPATH -u RMW_IMPLEMENTATION -u ROS_DISTRO -u AMENT_PREFIX_PATH -u LD_LIBRARY_PATH -u _ROS_WHEELS_BOOTSTRAP_COMPLETE
PIP := $(CLEAN) $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The tests of a file run in one worker, because they share nodes. test/conftest.py puts the files of slow tests first.
# Three workers keep two cores busy, because tests of nodes mostly wait.
PYTEST := $(CLEAN) ROS_PYTHON_CHECK_FIELDS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
# A .venv keeps its version of Python, whatever PYTHON is. pip would name conflicts of packages instead.
CHECK_PYTHON := import sys; found = sys.version_info[:2]; (3, 11) <= found <= (3, 13) or sys.exit("$(VENV) has Python %d.%d; install Python 3.11, 3.12 or 3.13, and type, for instance: make clean environment PYTHON=python3.12" % found)

.PHONY: demo test fast lint environment clean

environment: $(VENV)/.installed

$(VENV)/.installed: constraints.txt setup.py
	$(CLEAN) $(PYTHON) -m venv $(VENV)
	touch $(VENV)/COLCON_IGNORE
	@$(BIN)/python -c '$(CHECK_PYTHON)'
	$(PIP) -c constraints.txt torch  # with its dependencies, which differ between its builds
	$(PIP) --no-deps -r constraints.txt
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

demo: environment
	$(CLEAN) $(BIN)/python -m bev_semseg_ros.cli.main demo

test: environment lint
	$(PYTEST)

fast: environment
	$(PYTEST) -n auto --ignore=test/system -m "not ros and not slow"

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy bev_semseg_ros

clean:
	rm -rf $(VENV) build install log
