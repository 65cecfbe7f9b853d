"""
The native engine: plain requests are answered by Rust threads, outside the GIL; the rest by the core.

``engine`` is what is asked for, ``_library`` finds the compiled part, ``_handle`` calls it. ``_serving`` is
one listener, ``_fast_path`` compiles its plain routes (``_programs`` writes them), ``_records`` reads what
happened, ``_poller`` is the one Python thread that all servers share, ``_handed_off`` carries out what
needs the user's code.
"""
