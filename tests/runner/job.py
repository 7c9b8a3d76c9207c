"""A job: a name, and a function that fills a Report."""


class Job:
    def __init__(self, name, function):
        self.name = name
        self.function = function
