"""A job: a name, and a function that fills a Report."""


def collect(tests):
    """A decorator @test(NAME), which adds (NAME, function) to the list TESTS."""
    def test(name):
        def note(function):
            tests.append((name, function))
            return function
        return note
    return test


class Job:
    def __init__(self, name, function):
        self.name = name
        self.function = function
