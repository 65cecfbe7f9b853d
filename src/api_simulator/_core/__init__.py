"""
The rules: what should happen on the wire, given these routes and this request.

Sans-IO and standard library only. Nothing in here opens a socket, starts a thread or sleeps;
engines (``api_simulator._engines``) carry out what this package decides.
"""
