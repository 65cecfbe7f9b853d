"""
A session of the fake ``claude``: a model of the program's harness in which the model's moves are scripted.

Everything but ``program.py`` is sans-IO: lines and times go in, records and waits come out. All of it runs in the
fake program's process, with the standard library alone.
"""
