"""The parts of the test runner, tests/run."""
