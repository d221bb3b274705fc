"""For all tests: properties are judged by what they find, never by how long the machine takes for an example."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
