"""
Engines: interpreters of the core's decisions on some transport.

``base`` says what an engine is and opens one by name; each other module is one engine and the only
place that names its third-party package.
"""
